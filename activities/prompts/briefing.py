"""Writes the briefing of a person who decides, from the conversation that the model saw. Pure functions."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from activities.bodies.transcripts import TurnText
from agents.fence import unwrapped
from perdure.contracts.agents.agent import AgentSpec
from perdure.contracts.agents.steps import Thought
from perdure.contracts.agents.transcript import Role
from perdure.contracts.tool_calls.briefing import HEAD, MOST_READ, TASK, TITLE, WORDS, Briefing, Excerpt, ReadText
from perdure.contracts.tool_calls.tools import Approval, ToolEffect

PASSAGE = re.compile(r"^\[\d+\] .+ \(version \d+\): .*$", re.MULTILINE)
"""The line above each passage of a search: the document, its version and its title."""


def listed(spec: AgentSpec, thought: Thought) -> int | None:
    """Return how many texts the briefing of a thought lists; None where no person may have to decide about its calls.

    It lists none where people are asked only if a write is lost: then the question is what happened, and not why.
    """
    tools = [tool for call in thought.calls if (tool := spec.tool(call.tool)) is not None]
    if any(tool.asks or tool.approval is Approval.ALWAYS for tool in tools):
        return MOST_READ
    return 0 if any(tool.effect is not ToolEffect.READ_ONLY for tool in tools) else None


def briefing_of(turns: Sequence[TurnText], words: str, most: int = MOST_READ) -> Briefing:
    """Return the briefing about the calls that a model asked for with these words, after it had seen these turns.

    `most` is how many of the texts that it had read are listed.
    """
    asked = dict(_asked(turns))
    read = [
        text for turn in turns if turn.role is Role.TOOL for text in _texts(turn, *asked.get(turn.call or "", ("", "")))
    ]
    task = next((turn.body for turn in turns if turn.role is Role.USER), "")
    return Briefing(
        task=Excerpt.of(task, TASK),
        words=Excerpt.of(words.strip(), WORDS),
        read=tuple(read[max(0, len(read) - most) :]),
        earlier=max(0, len(read) - most),
        summed_up=any(turn.role is Role.SUMMARY for turn in turns),
    )


def words_of(turn: str) -> str:
    """Return the model's words in the body of its turn."""
    reply: Any = json.loads(turn)
    return str(reply["content"])


def _asked(turns: Sequence[TurnText]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the tool and the arguments of each call, by its id."""
    for turn in turns:
        if turn.role is Role.ASSISTANT:
            for call in json.loads(turn.body)["calls"]:
                yield str(call["id"]), (str(call["name"]), str(call["arguments"]))


def _texts(turn: TurnText, tool: str, arguments: str) -> Iterator[ReadText]:
    """Yield the texts of a result: one for each passage of a search, one for any other result."""
    result = unwrapped(turn.body)
    starts = [found.start() for found in PASSAGE.finditer(result)] or [0]
    if result[: starts[0]].strip():
        starts = [0, *starts]
    for start, end in zip(starts, [*starts[1:], len(result)], strict=True):
        text = result[start:end].strip()
        title, _, rest = text.partition("\n")
        yield ReadText(
            call=turn.call or "",
            tool=tool[:TITLE],
            asked=arguments[:TITLE],
            title=title[:TITLE],
            head=(title[TITLE:] + rest).strip()[:HEAD],
            length=len(text),
        )
