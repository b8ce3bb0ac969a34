"""Paid effects: the workflow retries them itself, so that every attempt is reserved and recorded."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar, assert_never

from temporalio import workflow

from perdure.contracts.budget import Allowance, Charged, Spend
from perdure.contracts.chains.spec import Deployment
from perdure.contracts.chains.steps import BindDeployment, PaidReply
from perdure.contracts.contract import Contract
from perdure.contracts.fault import EffectFailed
from perdure.contracts.windows import WindowShortage
from workflows.effect import numbered, short
from workflows.effects import BIND_DEPLOYMENT, Effect, perform
from workflows.run.headline import REASON, plain
from workflows.run.outages import Outages
from workflows.state_machines.purchase import Bind, Buy, GiveUp, OverBudget, Purchase, Wait, next_step

Ask = TypeVar("Ask", bound=Contract)
Paid = TypeVar("Paid", bound=PaidReply)

NOTICES = 100
"""Notices that a run's result holds."""


@dataclass(frozen=True)
class Rests:
    """What a step needs is away, and the run should go on in a new execution: the buying goes on there."""

    attempts: int
    """Attempts made so far."""


class Account:
    """A run's allowance, and the only place that spends from it."""

    def __init__(
        self, allowance: Allowance, notify: Callable[[str], None], outages: Outages, account: Charged | None = None
    ) -> None:
        """`notify` hears each notice when it is made; `account` is what an earlier execution was told of it."""
        self.allowance = allowance
        self._account = account
        self._outages = outages
        self.deployment: str | None = None
        """Where the last attempt went."""
        self.notices: list[str] = []
        """Every change of deployment, in words: a tier that falls back must not do so unseen."""
        self._notify = notify

    @property
    def account(self) -> Charged | None:
        """What the run's account holds, where that is more than this execution knows of: a reset has left it behind."""
        return None if self._account is None else self._account.beyond(self.allowance)

    def learn(self, account: Charged | None) -> None:
        """Keep what is newest known of the run's account."""
        if account is not None:
            self._account = account.after(self._account)

    def refused(self, window: WindowShortage | None) -> None:
        """An attempt was not made: where the run's account was short, it has told how it stands."""
        if window is not None and window.run:
            self.learn(Charged(settled=window.settled, reserved=window.reserved))

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
        """Buy one step: `buy_or_rest` for a run that is never continued."""
        bought = await self.buy_or_rest(
            effect, step, ask, deployment=deployment, worst=worst, attempts=attempts, wait=wait, window=window
        )
        match bought:
            case Rests():
                raise LookupError("a run rests that is never continued")
            case _:
                return bought

    async def buy_or_rest(
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
        made: int = 0,
        rests: Callable[[], bool] = lambda: False,
    ) -> Paid | OverBudget | Rests:
        """Buy one step: attempt after attempt, each reserved first, until one replies.

        `ask(attempt, deployment, worst)` makes the request, `worst(deployment)` prices it, and `window` is what it is
        expected to take of a deployment's. The first attempt goes to `deployment`; before each later one a recorded
        effect chooses again, and a durable timer lets `wait` pass, or what the server asked for. What an attempt finds
        away is waited for. Raises `EffectFailed` where no attempt can help; returns `OverBudget` where the next one is
        not affordable, to the run or to its tenant on this day, and `Rests` where something is away and `rests` says
        so: the next execution buys on, with `made` attempts behind it.
        """
        purchase = Purchase(
            step=step,
            deployment=deployment,
            most_attempts=attempts,
            first_wait=wait,
            until=self._outages.until,
            attempts=made,
        )
        while True:
            match next_step(purchase, self.allowance, worst(purchase.deployment), workflow.now()):
                case Wait() if purchase.away_since is not None and rests():
                    return Rests(purchase.attempts)
                case Wait(duration, purchase):
                    if purchase.away_since is not None:
                        self._outages.begin(step, purchase.failure)
                    await workflow.sleep(duration, summary=short(f"{step} waits to try again: {purchase.failure}"))
                case Bind(excluding):
                    purchase = await self._bind(purchase, excluding, window)
                case Buy(attempt, purchase) as buy:
                    # Nothing is awaited between the decision and the reservation: no other step comes in between.
                    self.allowance = self.allowance.reserve(buy.key, worst(purchase.deployment))
                    self.deployment = purchase.deployment.name
                    try:
                        asked = ask(attempt, purchase.deployment, worst(purchase.deployment))
                        return await self._bought(effect, purchase, asked)
                    except EffectFailed as failure:
                        purchase = self._failed(purchase, failure)
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

    async def _bought(self, effect: Effect[Ask, Paid], purchase: Purchase, asked: Ask) -> Paid:
        """One attempt, settled by what its reply knows."""
        reply = await perform(
            effect,
            asked,
            task_queue=purchase.deployment.task_queue,
            summary=numbered(f"{purchase.step} at {purchase.deployment.name}", purchase.attempts),
        )
        self._outages.end(purchase.step)
        self.learn(reply.account)
        if reply.stopped:
            self.allowance = purchase.after_stop(self.allowance, reply.charges)
            raise asyncio.CancelledError
        self.allowance = purchase.after_reply(self.allowance, reply.charges)
        self._tell(reply)
        return reply

    def _failed(self, purchase: Purchase, failure: EffectFailed) -> Purchase:
        """Settle what is known of an attempt that failed, and say so."""
        step, attempt = purchase.step, purchase.attempts
        self.refused(failure.window)
        self.allowance = purchase.after_failure(
            self.allowance, free_of_charge=failure.free_of_charge, away=failure.away
        )
        if not failure.away or purchase.away_since is None or failure.reason != purchase.failure:
            self._notify(f"{step}, attempt {attempt}: {plain(failure.reason, REASON)}")
        if failure.away:
            return purchase.spared(
                failure.reason, workflow.now(), remedy=failure.remedy, retry_after=failure.retry_after
            )
        self._outages.end(step)
        return purchase.failed(
            failure.reason, remedy=failure.remedy, retry_after=failure.retry_after, window=failure.window
        )

    async def _bind(self, purchase: Purchase, excluding: tuple[str, ...], window: int | None) -> Purchase:
        """Choose the next attempt's deployment, and take note where it is another one."""
        before = purchase.deployment
        asked = BindDeployment(tier=before.tier, excluding=excluding, window=window)
        bound = await self._outages.perform(BIND_DEPLOYMENT, asked, summary=before.tier)
        after = purchase.bound(bound.deployment)
        if after.deployment.name != before.name:
            notice = f"the tier {before.tier!r} fell back to {bound.deployment.name!r}: {purchase.failure}"
            if not purchase.outages or notice not in self.notices:  # of a tier that is away, each round says the same
                self.notice(notice)
                self._notify(plain(notice, REASON))
        return after
