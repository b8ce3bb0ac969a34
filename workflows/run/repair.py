"""Structured output with bounded repair: the model gets its invalid reply back, with the problems, to correct it."""

import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from temporalio import workflow

from perdure.contracts.budget import Spend
from perdure.contracts.chains.extraction import Problem
from perdure.contracts.chains.spec import Deployment
from perdure.contracts.chains.steps import PaidReply, Repair, Unusable
from perdure.contracts.fault import EffectFailed
from perdure.contracts.text import Text
from workflows.run.paid import Account
from workflows.state_machines import ending
from workflows.state_machines.ending import BuyLonger, Limit
from workflows.state_machines.purchase import OverBudget

Paid = TypeVar("Paid", bound=PaidReply)
Paid_co = TypeVar("Paid_co", bound=PaidReply, covariant=True)


@dataclass(frozen=True)
class Written(Generic[Paid]):
    """The last reply of the model, and the problems that are left in it."""

    reply: Paid
    problems: tuple[Problem, ...]
    """Empty where the reply is valid."""


@dataclass(frozen=True)
class Limits:
    """The limits of the replies of a spec."""

    spec: str
    """The spec's name."""
    tokens: int
    """`max_output_tokens` of the spec."""
    repairs: int
    """How often the model is shown the problems of its reply and asked again."""
    deployment: Deployment
    """The deployment of the first attempt."""


class Write(Protocol[Paid_co]):
    """Buys one reply."""

    def __call__(self, step: str, repair: Repair | None, tokens: int) -> Awaitable[Paid_co | OverBudget]:
        """Buy a reply of at most so many tokens, in a step of this name."""
        ...


REPAIR_FRAME = 256
"""The most tokens that the text around a reply and its problems adds to a prompt."""


def repair_tokens(repair: Repair | None) -> int:
    """Return the most tokens that a repair adds to a prompt: the reply, its problems and the text around them."""
    if repair is None:
        return 0
    return REPAIR_FRAME + repair.said.tokens + sum(len(str(problem).encode()) for problem in repair.problems)


async def write_until_valid(
    write: Write[Paid],
    judge: Callable[[Paid], Awaitable[tuple[Text | None, tuple[Problem, ...]]]],
    worst: Callable[[Repair | None, int], Spend],
    *,
    step: str,
    limits: Limits,
    account: Account,
) -> Written[Paid] | OverBudget | Unusable:
    """Buy a reply, and have the model repair it as often as the limits allow.

    `write(step, repair, tokens)` buys one reply; each repair is a step of its own, reserved and recorded like the
    first. `judge(reply)` returns the text of the model and the problems in it. `worst(repair, tokens)` returns the
    highest cost of a reply. Returns the last reply with the problems that are left; `OverBudget` where the next reply
    is not affordable; `Unusable` where a reply was cut, refused or withheld, which is never judged or repaired.
    """
    repair: Repair | None = None
    for turn in range(limits.repairs + 1):
        name = step if turn == 0 else f"{step}-repair-{turn}"
        reply = await _whole_reply(write, worst, name, repair, limits=limits, account=account)
        if isinstance(reply, OverBudget | Unusable):
            return reply
        text, problems = await judge(reply)
        if not problems or text is None or turn == limits.repairs:
            return Written(reply, problems)
        repair = Repair(said=text.reference(), problems=problems)
    raise AssertionError("the last turn returns")


async def _whole_reply(
    write: Write[Paid],
    worst: Callable[[Repair | None, int], Spend],
    step: str,
    repair: Repair | None,
    *,
    limits: Limits,
    account: Account,
) -> Paid | OverBudget | Unusable:
    """Buy a reply, and one that was cut once more with more room, where window and budget have it."""
    reply = await write(step, repair, limits.tokens)
    if isinstance(reply, OverBudget):
        return reply
    limit = Limit(limits.spec, limits.tokens, limits.deployment, functools.partial(worst, repair))
    after = ending.after(reply, limit, account.allowance, workflow.now())
    if not isinstance(after, BuyLonger):
        return after or reply
    try:
        longer = await write(f"{step}{ending.LONGER}", repair, after.tokens)
    except EffectFailed as failure:
        return ending.cut(limits.spec, limits.tokens, why=ending.failed(failure.reason))
    if isinstance(longer, OverBudget):
        return ending.cut(limits.spec, limits.tokens, why=ending.NO_BUDGET)
    unusable = ending.after(longer, limit, account.allowance, workflow.now(), longer=after.tokens)
    return unusable if isinstance(unusable, Unusable) else longer
