"""How a model is asked to sum up the older part of a conversation, and how its summary is shown. Pure functions."""

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
"""What the model is told about summaries where an agent's file says nothing of it."""

RECORD = "The older part of the conversation"
"""How the request for a summary begins."""

ASSISTANT = re.compile(r"^\[assistant [0-9a-f]{6}\]$", re.MULTILINE)
"""What stands before a turn of the assistant."""

ASK = """
Sum this conversation up now, in your own words and in short sentences: 1. What was found out, with every name, number \
and date? 2. What was done, and what was refused? 3. What is still open?
""".strip()
"""How it ends. A small model does what is said last."""

NOTHING = "(nothing was written down)"


@dataclass(frozen=True)
class Said:
    """One turn of the older part, as words."""

    who: str
    """`user`, `assistant`, `tool` or `summary`."""
    words: str


def asked(turns: Sequence[Said]) -> str:
    """The user's message that asks for a summary of these turns, the task first."""
    # A small model repeats the words of every fence that it sees: one around all of them is enough.
    words = [unwrapped(turn.words) for turn in turns]
    mark = _mark("\n".join(words))
    told = "\n\n".join(f"[{turn.who} {mark}]\n{said}" for turn, said in zip(turns, words, strict=True))
    return within(RECORD, told, (f"Each turn in it begins with a line that ends with {mark}].", ASK))


def _mark(told: str) -> str:
    """A word that nothing in the turns holds: what a tool returned could begin a turn of the user's otherwise."""
    return first_absent(told, (hashlib.sha256(f"{number}\n{told}".encode()).hexdigest()[:6] for number in count()))


def shown(summary: str, turns: int) -> str:
    """A summary as the model sees it later: as data of its own making, which takes the place of so many turns."""
    what = (
        f"A summary of the {turns} turns that followed, made by the assistant itself from what it and its tools said,"
    )
    return within(what, summary or NOTHING, ("What follows it is word for word.",))
