"""Plans of runs that are made to fail: what each run writes and where it breaks."""

import random
from dataclasses import dataclass

from perdure.testing import Turn, answer, calls
from tests.support.faults.lasting_breaks import ALWAYS, LastingBreaks, When

ATTEMPTS = 2
"""The attempts of each step."""

PAUSE = 0.3
"""The longest pause of the model, in seconds; a tool call takes about as long. A worker can be killed meanwhile."""

AGENT = f"""\
kind = "agent"
system = "You do what the script says."
attempts = {ATTEMPTS}
tool_attempts = {ATTEMPTS}
wait = 0.05
results = []
[loops]
told = 0
stuck = 0
[tools.calculator]
[tools.file_ticket]
[tools.post_notice]
"""

KINDS = {"file_ticket": "tickets", "post_notice": "messages"}
"""The desk's name for what each tool writes."""


@dataclass(frozen=True)
class Plan:
    """One run: what it writes, and how it fails."""

    run: str
    turns: tuple[Turn, ...]
    breaks: When | None
    """Where one of its notices breaks, with a sum in the same turn; None if it fails in a thought."""
    sum: str
    """The expression that it calculates in that turn; no other run has the same."""

    @property
    def writes(self) -> list[tuple[str, str]]:
        """Return each write with its kind, as the desk stores it."""
        return [
            (KINDS[call.name], f"{self.run}/call-{number}-{index}")
            for number, turn in enumerate(self.turns, 1)
            for index, call in enumerate(turn.calls, 1)
            if call.name in KINDS
        ]

    def break_in(self, breaks: LastingBreaks) -> None:
        """Make its calls break; the sum breaks until `mend`."""
        if self.breaks is not None:
            breaks.put(self.breaks, "post_notice", self.run, 1)
            breaks.put(When.BEFORE, "calculator", self.sum, ALWAYS)

    def mend(self, breaks: LastingBreaks) -> None:
        """Let its sum be calculated."""
        breaks.put(When.BEFORE, "calculator", self.sum, 0)


def planned(number: int, rng: random.Random) -> Plan:
    """Plan writes in one to three turns. Every second run fails beside a write in doubt, the others in a thought."""
    run = f"retried-{rng.randrange(16**8):08x}-{number}"
    write = {"run": run}
    # A run whose notice breaks has no other notice, which could break instead.
    tools = ["file_ticket"] if number % 2 else list(KINDS)
    turns = [
        calls(*((rng.choice(tools), write) for _ in range(rng.randint(1, 3))), pause=rng.uniform(0, PAUSE))
        for _ in range(rng.randint(1, 2))
    ]
    breaks, expression = None, f"{1000 + number} * 7"
    fails: dict[str, float | bool] = {"fails": ATTEMPTS, "status": 500}
    if number % 2:
        breaks = rng.choice([When.AFTER, When.AFTER, When.BEFORE])
        turns.append(calls(("post_notice", write), ("calculator", {"expression": expression}), ("file_ticket", write)))
        fails = {} if rng.random() < 0.5 else fails
    elif rng.random() < 0.5:
        turns.append(calls(("post_notice", write), **fails))
    return Plan(run, (*turns, answer("It is done.", pause=rng.uniform(0, PAUSE), **fails)), breaks, expression)
