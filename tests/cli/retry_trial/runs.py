"""Runs that are made to fail: what each writes, where it breaks, and what was to come of it in the end."""

import random
from dataclasses import dataclass

from perdure.testing import Turn, answer, calls
from tests.support.faults.lasting_breaks import ALWAYS, LastingBreaks, When

ATTEMPTS = 2
"""Of each step."""

PAUSE = 0.3
"""Seconds that a model takes at most, and a call of a tool about: time in which a worker can be killed."""

AGENT = f"""\
kind = "agent"
system = "You do what the script says."
attempts = {ATTEMPTS}
tool_attempts = {ATTEMPTS}
wait = 0.05
results = []
[tools.calculator]
[tools.file_ticket]
[tools.post_notice]
"""

KINDS = {"file_ticket": "tickets", "post_notice": "messages"}
"""What the desk calls what a tool writes."""


@dataclass(frozen=True)
class Plan:
    """One run: what it writes, and how it fails."""

    run: str
    turns: tuple[Turn, ...]
    breaks: When | None
    """Where one of its notices breaks, and a sum beside it; None where it fails in a thought."""
    sum: str
    """What it reckons where that breaks, which no other run does."""

    @property
    def writes(self) -> list[tuple[str, str]]:
        """Each write with its kind, as the desk keeps it."""
        return [
            (KINDS[call.name], f"{self.run}/call-{number}-{place}")
            for number, turn in enumerate(self.turns, 1)
            for place, call in enumerate(turn.calls, 1)
            if call.name in KINDS
        ]

    def break_in(self, breaks: LastingBreaks) -> None:
        """Let its calls break, the sum until it is mended."""
        if self.breaks is not None:
            breaks.put(self.breaks, "post_notice", self.run, 1)
            breaks.put(When.BEFORE, "calculator", self.sum, ALWAYS)

    def mend(self, breaks: LastingBreaks) -> None:
        """Let its sum be reckoned."""
        breaks.put(When.BEFORE, "calculator", self.sum, 0)


def planned(number: int, chance: random.Random) -> Plan:
    """Writes in one to three turns. Every other run fails beside a write of which nobody knows, others in a thought."""
    run = f"retried-{chance.randrange(16**8):08x}-{number}"
    write = {"run": run}
    # Where a notice is to break, there is no other one that could break in its place.
    tools = ["file_ticket"] if number % 2 else list(KINDS)
    turns = [
        calls(*((chance.choice(tools), write) for _ in range(chance.randint(1, 3))), pause=chance.uniform(0, PAUSE))
        for _ in range(chance.randint(1, 2))
    ]
    breaks, sum_ = None, f"{1000 + number} * 7"
    fails: dict[str, float | bool] = {"fails": ATTEMPTS, "status": 500}
    if number % 2:
        breaks = chance.choice([When.AFTER, When.AFTER, When.BEFORE])
        turns.append(calls(("post_notice", write), ("calculator", {"expression": sum_}), ("file_ticket", write)))
        fails = {} if chance.random() < 0.5 else fails
    elif chance.random() < 0.5:
        turns.append(calls(("post_notice", write), **fails))
    return Plan(run, (*turns, answer("It is done.", pause=chance.uniform(0, PAUSE), **fails)), breaks, sum_)
