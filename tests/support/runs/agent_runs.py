"""Agents for tests: their files, the scripts of the stub model, and decisions about waiting steps."""

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
    """Write an agent's file with its granted tools, and with more TOML before and after them."""
    granted = "\n".join(f"[tools.{tool}]" for tool in tools)
    head = f'kind = "agent"\ncollection = "handbook"\nsystem = "You do tasks."\nwait = {wait}\n'
    (folder / f"{name}.toml").write_text(f"{head}{more}\n{granted}\n{after}")


def with_agents(settings: Settings, folder: Path, **groups: Any) -> Settings:
    """Return the settings with this folder of agents instead of the shipped one, and with these groups replaced."""
    paths = settings.paths.model_copy(update={"agents": (folder,), "shipped": ("tools",)})
    return settings.model_copy(update={"paths": paths, **groups})


def calls(*tool_calls: tuple[str, Mapping[str, Any]]) -> dict[str, Any]:
    """An item of the stub's script: the model asks for these tools, in one turn."""
    return {"tool_calls": [{"name": name, "arguments": arguments} for name, arguments in tool_calls]}


def answer(content: str = "It is done.") -> dict[str, Any]:
    """An item of the stub's script: the model answers."""
    return {"content": content}


def _event(delta: dict[str, Any], finish_reason: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    model = "qwen2.5-coder-0.5b-instruct"
    return "data: " + json.dumps({"id": "r", "model": model, "choices": [choice], "usage": usage})


def refuses(words: str) -> dict[str, Any]:
    """An item of the stub's script: a reply that streams a refusal."""
    half = len(words) // 2
    deltas = [_event({"role": "assistant", "refusal": words[:half]}), _event({"refusal": words[half:]})]
    return {"sse": [*deltas, _event({}, "stop"), "data: [DONE]"]}


BRIEF = "[compaction]\nat = 0.3\ntokens = 50\n"
"""More TOML of an agent: it sums its turns up once a thought fills three tenths of the window of 8,192 tokens."""

LONG = {"input_tokens": 2000}
"""The usage of an item of the stub's script: a prompt of so many tokens nearly fills the window."""

TICKET = ("create_ticket", {"title": "Leave", "text": "Eighteen weeks."})
MESSAGE = ("send_message", {"to": "facilities", "text": "Eighteen weeks."})
SUM = ("calculator", {"expression": "6 * 7"})


async def waits(platform: Platform, run: str, count: int = 1) -> tuple[PendingStep, ...]:
    """Return the pending steps of a run, once there are so many."""
    pending: tuple[PendingStep, ...] = ()

    async def there() -> bool:
        nonlocal pending
        pending = await platform.pending(run)
        return len(pending) == count

    await until(there, what=f"{count} steps wait for a person")
    return pending


def says(step: PendingStep, ruling: Ruling, **more: Any) -> StepDecision:
    """Return a person's decision about a pending step."""
    fields: dict[str, Any] = {"decision_id": f"decision-{next(_numbers)}", "by": "ada", **more}
    return StepDecision(step=step.step, digest=step.digest, ruling=ruling, **fields)


def tool_messages(request: Mapping[str, Any]) -> list[str]:
    """Return the results of tools that a request shows the model, in order."""
    # The embedded tiers have no tools of their own: they get results as messages of the user.
    contents = [str(message["content"]) for message in request["messages"] if message["role"] in ("tool", "user")]
    return [content for content in contents[1:] if content.startswith("Result of the tool:")]


def last_words(request: Mapping[str, Any]) -> str:
    """Return the last message of a request, as text."""
    return json.dumps(request["messages"][-1])
