"""Paid effects: the workflow retries them itself, so that every attempt is reserved and recorded."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar, assert_never

from temporalio import workflow

from perdure.contracts.budget import Allowance, Spend
from perdure.contracts.contract import Contract
from perdure.contracts.fault import EffectFailed
from perdure.contracts.spec import Deployment
from perdure.contracts.steps import BindDeployment, PaidReply
from workflows.effect import numbered, short
from workflows.effects import BIND_DEPLOYMENT, Effect, perform
from workflows.headline import REASON, plain
from workflows.state_machines.purchase import Bind, Buy, GiveUp, OverBudget, Purchase, Wait, next_step

Ask = TypeVar("Ask", bound=Contract)
Paid = TypeVar("Paid", bound=PaidReply)

NOTICES = 100
"""Notices that a run's result holds."""


class Purse:
    """A run's allowance, and the only place that spends from it."""

    def __init__(self, allowance: Allowance, notify: Callable[[str], None]) -> None:
        """`notify` hears each notice when it is made."""
        self.allowance = allowance
        self.deployment: str | None = None
        """Where the last attempt went."""
        self.notices: list[str] = []
        """Every change of deployment, in words: a tier that falls back must not do so unseen."""
        self._notify = notify

    def notice(self, notice: str) -> None:
        """Keep it for the run's result. Of very many the first are kept: the history has them all."""
        if len(self.notices) < NOTICES:
            self.notices.append(notice)
        elif len(self.notices) == NOTICES:
            self.notices.append("there were more notices than are kept: the history has them all")

    async def buy(
        self,
        effect: Effect[Ask, Paid],
        step: str,
        ask: Callable[[int, Deployment, Spend], Ask],
        *,
        deployment: Deployment,
        worst: Callable[[Deployment], Spend],
        attempts: int,
        wait: timedelta = timedelta(0),
        window: int | None = None,
    ) -> Paid | OverBudget:
        """Buy one step: attempt after attempt, each reserved first, until one replies.

        `ask(attempt, deployment, worst)` makes the request, `worst(deployment)` prices it, and `window` is what it is
        expected to take of a deployment's. The first attempt goes to `deployment`; before each later one a recorded
        effect chooses again, and a durable timer lets `wait` pass, or what the server asked for. Raises `EffectFailed`
        where no attempt can help; returns `OverBudget` where the next one is not affordable, to the run or to its
        tenant on this day.
        """
        purchase = Purchase(step=step, deployment=deployment, most_attempts=attempts, first_wait=wait)
        while True:
            match next_step(purchase, self.allowance, worst(purchase.deployment), workflow.now()):
                case Wait(duration, purchase):
                    await workflow.sleep(duration, summary=short(f"{step} waits to try again: {purchase.failure}"))
                case Bind(excluding):
                    purchase = await self._bind(purchase, excluding, window)
                case Buy(attempt, purchase) as buy:
                    # Nothing is awaited between the decision and the reservation: no other step comes in between.
                    self.allowance = self.allowance.reserve(buy.key, worst(purchase.deployment))
                    self.deployment = purchase.deployment.name
                    try:
                        reply = await perform(
                            effect,
                            ask(attempt, purchase.deployment, worst(purchase.deployment)),
                            task_queue=purchase.deployment.task_queue,
                            summary=numbered(f"{step} at {purchase.deployment.name}", attempt),
                        )
                    except EffectFailed as failure:
                        self._notify(f"{step}, attempt {attempt}: {plain(failure.reason, REASON)}")
                        self.allowance = purchase.after_failure(self.allowance, free_of_charge=failure.free_of_charge)
                        purchase = purchase.failed(
                            failure.reason,
                            remedy=failure.remedy,
                            retry_after=failure.retry_after,
                            window=failure.window,
                        )
                    else:
                        if reply.stopped:
                            self.allowance = purchase.after_stop(self.allowance, reply.charges)
                            raise asyncio.CancelledError
                        self.allowance = purchase.after_reply(self.allowance, reply.charges)
                        self._tell(reply)
                        return reply
                case OverBudget() as over:
                    return over
                case GiveUp(reason):
                    raise EffectFailed(effect.name, reason)
                case never:
                    assert_never(never)

    def _tell(self, reply: PaidReply) -> None:
        """Have a reader of the result know what the effect says of the call."""
        if reply.notice:
            self.notice(reply.notice)
            self._notify(plain(reply.notice, REASON))

    async def _bind(self, purchase: Purchase, excluding: tuple[str, ...], window: int | None) -> Purchase:
        """Choose the next attempt's deployment, and take note where it is another one."""
        before = purchase.deployment
        asked = BindDeployment(tier=before.tier, excluding=excluding, window=window)
        bound = await perform(BIND_DEPLOYMENT, asked, summary=before.tier)
        if bound.deployment.name != before.name:
            notice = f"the tier {before.tier!r} fell back to {bound.deployment.name!r}: {purchase.failure}"
            self.notice(notice)
            self._notify(plain(notice, REASON))
        return purchase.bound(bound.deployment)
