"""Builds the request for a summary of older turns, and shows a summary to the model later. Pure functions."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from agents.fence import first_absent, unwrapped, within

INSTRUCTIONS = """
You keep the memory of an assistant that does a task with tools. You are shown the older part of its conversation, \
which it will not see again. Write down what it needs to go on: what was found out, with every name, number, date and \
source exactly as it stands there; what was done already, and what came of it; what was refused or failed, and why; \
what is still open. Write short plain sentences, and nothing that is not in the conversation. Call no tool, and do not \
do the task yourself.
""".strip()
"""The instructions for summaries where an agent's file has none of its own."""

RECORD = "The older part of the conversation"
"""The first words of the request for a summary."""

ASSISTANT = re.compile(r"^\[assistant [0-9a-f]{6}\]$", re.MULTILINE)
"""The line before each turn of the assistant."""

ASK = """
Sum this conversation up now, in your own words and in short sentences: 1. What was found out, with every name, number \
and date? 2. What was done, and what was refused? 3. What is still open?
""".strip()
"""The last words of the request: a small model follows what it reads last."""

NOTHING = "(nothing was written down)"


@dataclass(frozen=True)
class Turn:
    """One turn of the older part, as words."""

    who: str
    """`user`, `assistant`, `tool`, `note` or `summary`."""
    words: str


def request(turns: Sequence[Turn]) -> str:
    """Return the user's message that asks for a summary of these turns, the task first."""
    # A small model repeats the words of every fence that it sees: one fence around all turns is enough.
    words = [unwrapped(turn.words) for turn in turns]
    mark = _mark("\n".join(words))
    record = "\n\n".join(f"[{turn.who} {mark}]\n{text}" for turn, text in zip(turns, words, strict=True))
    return within(RECORD, record, (f"Each turn in it begins with a line that ends with {mark}].", ASK))


def _mark(words: str) -> str:
    """Return a word that no turn holds: with a known word, a tool's result could pretend to be a turn of the user."""
    return first_absent(words, (hashlib.sha256(f"{number}\n{words}".encode()).hexdigest()[:6] for number in count()))


def shown(summary: str, turns: int) -> str:
    """Return a summary as the model sees it later: as its own data, in the place of this number of turns."""
    what = (
        f"A summary of the {turns} turns that followed, made by the assistant itself from what it and its tools said,"
    )
    return within(what, summary or NOTHING, ("What follows it is word for word.",))
