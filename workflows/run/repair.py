"""Structured output with bounded repair: the model gets its invalid reply back, with the problems, to correct it."""

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
    """The last reply of the model, and the problems that are left in it."""

    reply: Paid
    problems: tuple[Problem, ...]
    """Empty where the reply is valid."""


REPAIR_FRAME = 256
"""The most tokens that the text around a reply and its problems adds to a prompt."""


def repair_tokens(repair: Repair | None) -> int:
    """Return the most tokens that a repair adds to a prompt: the reply, its problems and the text around them."""
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
    """Buy a reply, and have the model repair it at most `repairs` times.

    `write(step, repair)` buys one reply; each repair is a step of its own, reserved and recorded like the first.
    `judge(reply)` returns the text of the model and the problems in it. Returns the last reply with the problems that
    are left, or `OverBudget` where the next reply is not affordable.
    """
    repair: Repair | None = None
    for turn in range(repairs + 1):
        reply = await write(step if turn == 0 else f"{step}-repair-{turn}", repair)
        if isinstance(reply, OverBudget):
            return reply
        text, problems = await judge(reply)
        if not problems or text is None or turn == repairs:
            return Written(reply, problems)
        repair = Repair(said=text.reference(), problems=problems)
    raise AssertionError("the last turn returns")
