"""Structured output with bounded repair: a reply that cannot be used is shown to the model with what is wrong."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from perdure.contracts.chains.extraction import Problem
from perdure.contracts.chains.steps import PaidReply, Repair
from perdure.contracts.text import Text
from workflows.state_machines.purchase import OverBudget

Paid = TypeVar("Paid", bound=PaidReply)


@dataclass(frozen=True)
class Written(Generic[Paid]):
    """The last reply, and what is still wrong with it."""

    reply: Paid
    problems: tuple[Problem, ...]
    """Nothing where it can be used."""


REPAIR_FRAME = 256
"""Tokens. What the words around a reply and its problems add at most."""


def repair_tokens(repair: Repair | None) -> int:
    """An upper bound of what showing a reply and its problems adds to a prompt."""
    if repair is None:
        return 0
    return REPAIR_FRAME + repair.said.tokens + sum(len(str(problem).encode()) for problem in repair.problems)


async def write_until_valid(
    write: Callable[[str, Repair | None], Awaitable[Paid | OverBudget]],
    judge: Callable[[Paid], Awaitable[tuple[Text | None, tuple[Problem, ...]]]],
    *,
    step: str,
    repairs: int,
) -> Written[Paid] | OverBudget:
    """Write, and have it repaired at most `repairs` times, each a step of its own that is reserved and recorded.

    `write(step, repair)` buys one reply; `judge(reply)` returns what the model said, and what is wrong with it.
    """
    repair: Repair | None = None
    for turn in range(repairs + 1):
        reply = await write(step if turn == 0 else f"{step}-repair-{turn}", repair)
        if isinstance(reply, OverBudget):
            return reply
        said, problems = await judge(reply)
        if not problems or said is None or turn == repairs:
            return Written(reply, problems)
        repair = Repair(said=said.reference(), problems=problems)
    raise AssertionError("the last turn returns")
