"""Agents for tests: their files, what the stub model asks for, and what a person says about what waits."""

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from activities.settings import Settings
from perdure.client import Platform
from perdure.contracts.tool_calls.decisions import PendingStep, Ruling, StepDecision
from tests.support.waiting import until

READS = ("calculator", "search_knowledge", "read_document")
WRITES = ("create_ticket", "send_message")

_numbers = itertools.count(1)


def write_agent(
    folder: Path,
    name: str = "tester",
    tools: Sequence[str] = (*READS, *WRITES),
    more: str = "",
    after: str = "",
    *,
    wait: float = 0.05,
) -> None:
    """An agent's file: what is granted, and more of its TOML, before that and after."""
    granted = "\n".join(f"[tools.{tool}]" for tool in tools)
    head = f'kind = "agent"\ncollection = "handbook"\nsystem = "You do tasks."\nwait = {wait}\n'
    (folder / f"{name}.toml").write_text(f"{head}{more}\n{granted}\n{after}")


def with_agents(settings: Settings, folder: Path, **groups: Any) -> Settings:
    """The settings with this folder of agents, and other groups in the place of theirs."""
    paths = settings.paths.model_copy(update={"agents": folder})
    return settings.model_copy(update={"paths": paths, **groups})


def calls(*asked: tuple[str, Mapping[str, Any]]) -> dict[str, Any]:
    """An item of the stub's script: the model asks for these tools, in one turn."""
    return {"tool_calls": [{"name": name, "arguments": arguments} for name, arguments in asked]}


def answer(words: str = "It is done.") -> dict[str, Any]:
    """An item of the stub's script: the model answers."""
    return {"content": words}


BRIEF = "[compaction]\nat = 0.3\ntokens = 50\n"
"""More of an agent's file: it sums its turns up once a thought fills three tenths of the window of 8,192 tokens."""

LONG = {"input_tokens": 2000}
"""Of an item of the stub's script: so many tokens are counted for the prompt, which nearly fills it."""

TICKET = ("create_ticket", {"title": "Leave", "text": "Eighteen weeks."})
MESSAGE = ("send_message", {"to": "facilities", "text": "Eighteen weeks."})
SUM = ("calculator", {"expression": "6 * 7"})


async def waits(platform: Platform, run: str, count: int = 1) -> tuple[PendingStep, ...]:
    """What waits in a run, once there is so much of it."""
    found: tuple[PendingStep, ...] = ()

    async def there() -> bool:
        nonlocal found
        found = await platform.pending(run)
        return len(found) == count

    await until(there, what=f"{count} steps wait for a person")
    return found


def says(step: PendingStep, ruling: Ruling, **more: Any) -> StepDecision:
    """A person's word on a step that waits."""
    fields: dict[str, Any] = {"decision_id": f"decision-{next(_numbers)}", "by": "ada", **more}
    return StepDecision(step=step.step, digest=step.digest, ruling=ruling, **fields)


def tool_messages(request: Mapping[str, Any]) -> list[str]:
    """What the model was shown of tools in a request, in order."""
    # The embedded tiers have no tools of their own: results come to them as words of the user.
    told = [str(message["content"]) for message in request["messages"] if message["role"] in ("tool", "user")]
    return [words for words in told[1:] if words.startswith("Result of the tool:")]


def last_words(request: Mapping[str, Any]) -> str:
    """The last message of a request, as text."""
    return json.dumps(request["messages"][-1])
