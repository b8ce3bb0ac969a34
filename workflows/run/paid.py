"""Buys paid effects: the workflow retries them itself, so that every attempt is reserved and recorded."""

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
"""The most notices in a run's result."""


@dataclass(frozen=True)
class Rests:
    """The purchase was left during an outage, since a new execution is due: it goes on there."""

    attempts: int
    """The number of attempts so far."""


class Account:
    """The account of a run: it holds the allowance, and only it spends from it."""

    def __init__(
        self, allowance: Allowance, notify: Callable[[str], None], outages: Outages, account: Charged | None = None
    ) -> None:
        """`notify` gets each notice at once. `account` is the stored account as the execution before knew it."""
        self.allowance = allowance
        self._charged = account
        self._outages = outages
        self.deployment: str | None = None
        """The name of the deployment of the last attempt."""
        self.notices: list[str] = []
        """The notices for the run's result, such as each change of deployment: a fallback must not go unseen."""
        self._notify = notify

    @property
    def account(self) -> Charged | None:
        """The stored account of the run where it holds more than the allowance: a reset leaves earlier costs out."""
        return None if self._charged is None else self._charged.beyond(self.allowance)

    def learn(self, account: Charged | None) -> None:
        """Store the newest state of the run's account."""
        if account is not None:
            self._charged = account.after(self._charged)

    def refused(self, window: WindowShortage | None) -> None:
        """Store the state of the run's account from a refused attempt, where the run's own account was short."""
        if window is not None and window.run:
            self.learn(Charged(settled=window.settled, reserved=window.reserved))

    def notice(self, notice: str) -> None:
        """Add a notice to the run's result, which holds the first `NOTICES`: the history has them all."""
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
        """Buy one step in a run that is never continued: as `buy_or_rest`, but without `Rests`."""
        reply = await self.buy_or_rest(
            effect, step, ask, deployment=deployment, worst=worst, attempts=attempts, wait=wait, window=window
        )
        match reply:
            case Rests():
                raise LookupError("a run rests that is never continued")
            case _:
                return reply

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
        attempts_made: int = 0,
        should_rest: Callable[[], bool] = lambda: False,
    ) -> Paid | OverBudget | Rests:
        """Buy one step: attempt after attempt, each reserved first, until one replies.

        `ask(attempt, deployment, worst)` makes the request, `worst(deployment)` returns its highest possible cost, and
        `window` is the number of tokens it needs of a context window. The first attempt goes to `deployment`. Before
        each later one a recorded effect chooses the deployment again, and a durable timer waits for `wait`, or for as
        long as the server asked. During an outage the purchase waits. Raises `EffectFailed` where no further attempt
        can help. Returns `OverBudget` where the budget or the tenant's day does not cover the next attempt, and `Rests`
        during an outage where `should_rest` says so: the next execution goes on with those `attempts_made`.
        """
        purchase = Purchase(
            step=step,
            deployment=deployment,
            most_attempts=attempts,
            first_wait=wait,
            until=self._outages.until,
            attempts=attempts_made,
        )
        while True:
            match next_step(purchase, self.allowance, worst(purchase.deployment), workflow.now()):
                case Wait() if purchase.away_since is not None and should_rest():
                    return Rests(purchase.attempts)
                case Wait(duration, purchase):
                    if purchase.away_since is not None:
                        self._outages.begin(step, purchase.failure)
                    await workflow.sleep(duration, summary=short(f"{step} waits to try again: {purchase.failure}"))
                case Bind(excluding):
                    purchase = await self._bind(purchase, excluding, window)
                case Buy(attempt, purchase) as buy:
                    # There is no await between the decision and the reservation, so no other step can spend in between.
                    self.allowance = self.allowance.reserve(buy.key, worst(purchase.deployment))
                    self.deployment = purchase.deployment.name
                    try:
                        request = ask(attempt, purchase.deployment, worst(purchase.deployment))
                        return await self._attempt(effect, purchase, request)
                    except EffectFailed as failure:
                        purchase = self._after_failure(purchase, failure)
                case OverBudget() as over:
                    return over
                case GiveUp(reason):
                    raise EffectFailed(effect.name, reason)
                case never:
                    assert_never(never)

    def _pass_on(self, reply: PaidReply) -> None:
        """Add the notice of a reply, where it has one, to the result and the run's page, each only once."""
        if reply.notice and reply.notice not in self.notices:
            self.notice(reply.notice)
            self._notify(plain(reply.notice, REASON))

    async def _attempt(self, effect: Effect[Ask, Paid], purchase: Purchase, request: Ask) -> Paid:
        """Make one attempt and settle the costs in its reply. Raises `CancelledError` where the call was stopped."""
        reply = await perform(
            effect,
            request,
            task_queue=purchase.deployment.task_queue,
            summary=numbered(f"{purchase.step} at {purchase.deployment.name}", purchase.attempts),
        )
        self._outages.end(purchase.step)
        self.learn(reply.account)
        if reply.stopped:
            self.allowance = purchase.after_stop(self.allowance, reply.charges)
            raise asyncio.CancelledError
        self.allowance = purchase.after_reply(self.allowance, reply.charges)
        self._pass_on(reply)
        return reply

    def _after_failure(self, purchase: Purchase, failure: EffectFailed) -> Purchase:
        """Settle a failed attempt as far as its cost is known, note it, and return the purchase after it."""
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
        """Choose the deployment of the next attempt, and add a notice where it changed."""
        before = purchase.deployment
        request = BindDeployment(tier=before.tier, excluding=excluding, window=window)
        bound = await self._outages.perform(BIND_DEPLOYMENT, request, summary=before.tier)
        after = purchase.bound(bound.deployment)
        if after.deployment.name != before.name:
            notice = f"the tier {before.tier!r} fell back to {bound.deployment.name!r}: {purchase.failure}"
            # In an outage of the whole tier each round would repeat the notice.
            if not purchase.outages or notice not in self.notices:
                self.notice(notice)
                self._notify(plain(notice, REASON))
        return after
