"""State machine of a purchase: it reserves each attempt first, and keeps the reservation while the cost is unknown.

Steps that are bought at the same time share one allowance, so the caller passes it in for each decision. An attempt
that met an outage does not count as a try: it sent nothing, and only time helps.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from perdure.contracts.budget import Allowance, Spend
from perdure.contracts.chains.spec import Deployment
from perdure.contracts.fault import Remedy
from perdure.contracts.windows import WindowShortage
from workflows.state_machines import outage
from workflows.state_machines.outage import lasted

LONGEST_WAIT = timedelta(minutes=1)
"""The longest wait between two attempts, where the server asks for no more: a longer one rarely helps."""


@dataclass(frozen=True)
class Buy:
    """Start this attempt, once its highest possible cost is reserved under its key."""

    attempt: int
    purchase: "Purchase"

    @property
    def key(self) -> str:
        """The reservation's name in the allowance."""
        return self.purchase.key(self.attempt)


@dataclass(frozen=True)
class Wait:
    """Wait for this duration with a durable timer."""

    duration: timedelta
    purchase: "Purchase"


@dataclass(frozen=True)
class Bind:
    """Choose the deployment of the next attempt."""

    excluding: tuple[str, ...]


@dataclass(frozen=True)
class OverBudget:
    """Stop: the run's budget, or its tenant's day, does not cover the next attempt."""

    limit: str
    needed: Spend
    window: WindowShortage | None = None
    """The state of the tenant's day, where that is the limit."""

    @classmethod
    def of_day(cls, window: WindowShortage) -> "OverBudget":
        """Return the step for a shortage of the tenant's day, or of the run's account."""
        return cls(window.limit if window.run else f"daily_{window.limit}", window.needed, window)


@dataclass(frozen=True)
class GiveUp:
    """Fail: another attempt is pointless, or too many were made."""

    reason: str


Step: TypeAlias = Buy | Wait | Bind | OverBudget | GiveUp


@dataclass(frozen=True)
class Purchase:
    """The state of the purchase of one step."""

    step: str
    """The step's name in its run."""
    deployment: Deployment
    """The deployment of the next attempt, or of the last one."""
    most_attempts: int
    first_wait: timedelta = timedelta(0)
    """The wait before the second attempt; doubled for each further one."""
    until: datetime | None = None
    """When the purchase stops waiting for the end of an outage; None for never."""
    attempts: int = 0
    """The number of attempts so far: each has a reservation of its own."""
    tries: int = 0
    """The number of attempts that count against `most_attempts`: those that failed without an outage."""
    failure: str = ""
    """The reason why the last attempt failed."""
    final: bool = False
    """Whether another attempt would fail in the same way."""
    window: WindowShortage | None = None
    """The state of the tenant's day, where that prevented the last attempt."""
    due: timedelta = timedelta(0)
    """The wait before the next step."""
    unbound: bool = False
    """Whether the deployment must be chosen again."""
    excluded: tuple[str, ...] = ()
    """The deployments that would not serve this request."""
    patience: timedelta = timedelta(0)
    """The wait where no deployment but the failed one can be chosen."""
    away_since: datetime | None = None
    """The start of the outage that the last attempts met; None where the last one met none."""
    outages: int = 0
    """The number of attempts in a row that met an outage."""
    away: tuple[str, ...] = ()
    """The deployments that met an outage since the purchase last waited for all of them."""
    asked: timedelta | None = None
    """The wait that the service asked for the last time; None where it asked for none."""

    def key(self, attempt: int) -> str:
        """The reservation's name in the allowance."""
        return f"{self.step}/{attempt}"

    def failed(
        self,
        reason: str,
        *,
        remedy: Remedy = Remedy.RETRY,
        retry_after: timedelta | None = None,
        window: WindowShortage | None = None,
    ) -> "Purchase":
        """Return the purchase after a failed attempt. `after_failure` settles its cost."""
        elsewhere = remedy in (Remedy.FALL_BACK, Remedy.CIRCUIT_OPEN)
        tries = self.tries + 1
        pause = self.pause(tries, retry_after) if tries < self.most_attempts else timedelta(0)
        excluded = (*self.excluded, self.deployment.name) if elsewhere else self.excluded
        return replace(
            self,
            tries=tries,
            failure=reason,
            away_since=None,
            outages=0,
            away=(),
            final=remedy is Remedy.GIVE_UP,
            window=window,
            unbound=True,
            due=timedelta(0) if elsewhere else pause,
            patience=pause if elsewhere else timedelta(0),
            excluded=tuple(dict.fromkeys(excluded)),
        )

    def spared(
        self, reason: str, now: datetime, *, remedy: Remedy = Remedy.WAIT, retry_after: timedelta | None = None
    ) -> "Purchase":
        """Return the purchase after an attempt that met an outage: it sent nothing, costs nothing and is no try.

        Another deployment of the tier is chosen at once where the remedy says so, or where this one was overloaded too
        often. Where there is no other, the purchase waits and then asks all of them again.
        """
        outages = self.outages + 1
        overloaded = remedy is Remedy.RETRY and outages >= self.most_attempts
        elsewhere = overloaded or remedy in (Remedy.FALL_BACK, Remedy.CIRCUIT_OPEN)
        pause = outage.pause(outages, self.first_wait, retry_after)
        return replace(
            self,
            failure=reason,
            away_since=self.away_since or now,
            outages=outages,
            away=tuple(dict.fromkeys((*self.away, self.deployment.name))) if elsewhere else self.away,
            asked=retry_after,
            unbound=True,
            due=timedelta(0) if elsewhere else pause,
            patience=pause if elsewhere else timedelta(0),
        )

    def pause(self, tries: int, retry_after: timedelta | None) -> timedelta:
        """Return the wait after so many tries: the doubled wait, or longer where the server asked for it."""
        doubled = min(self.first_wait * 2 ** (tries - 1), max(LONGEST_WAIT, self.first_wait))
        return doubled if retry_after is None or not self.first_wait else max(doubled, retry_after)

    @property
    def avoided(self) -> tuple[str, ...]:
        """The deployments that are not chosen next, where there is another one."""
        return tuple(dict.fromkeys((*self.excluded, *self.away)))

    def bound(self, deployment: Deployment) -> "Purchase":
        """Return the purchase with the chosen deployment, and a wait if it failed before: then there is no other."""
        failed = deployment.name in self.avoided
        if failed and self.away:
            return replace(self, away=(), due=self.patience, patience=timedelta(0))  # then ask all of them again
        due = self.patience if failed else timedelta(0)
        return replace(self, deployment=deployment, unbound=False, due=due, patience=timedelta(0))

    def waited(self) -> "Purchase":
        """Return the purchase after its wait."""
        return replace(self, due=timedelta(0))

    def after_failure(self, allowance: Allowance, *, free_of_charge: bool, away: bool = False) -> Allowance:
        """Return the allowance after a failed attempt: its reservation stays unless it is known to have cost nothing.

        A free attempt counts as a step; one that met an outage does not.
        """
        if away:
            return allowance.settle(self.key(self.attempts), Spend())
        return allowance.settle(self.key(self.attempts), Spend(steps=1)) if free_of_charge else allowance

    def after_reply(self, allowance: Allowance, charges: dict[int, Spend]) -> Allowance:
        """Return the allowance with every attempt settled whose cost is known by now, earlier ones too."""
        for attempt in sorted(charges):
            allowance = allowance.settle(self.key(attempt), charges[attempt])
        return allowance

    def after_stop(self, allowance: Allowance, charges: dict[int, Spend]) -> Allowance:
        """Return the allowance after a stopped attempt: its least cost is settled, and the rest stays reserved."""
        return allowance.settle_part(self.key(self.attempts), charges.get(self.attempts, Spend()))


def next_step(purchase: Purchase, allowance: Allowance, worst: Spend, now: datetime) -> Step:
    """Return the next step. `worst` is the most that an attempt at the current deployment may cost."""
    if purchase.final:
        return GiveUp(purchase.failure) if purchase.window is None else OverBudget.of_day(purchase.window)
    if purchase.due and purchase.away_since is not None and purchase.until is not None:
        left = purchase.until - now
        if left <= timedelta(0) or (purchase.asked or timedelta(0)) > left:
            return GiveUp(f"{purchase.failure} (it was waited for, for {lasted(now - purchase.away_since)})")
        purchase = replace(purchase, due=min(purchase.due, left))
    return _step_within_budget(purchase, allowance, worst, now)


def _step_within_budget(purchase: Purchase, allowance: Allowance, worst: Spend, now: datetime) -> Step:
    """Return the next step of a purchase that goes on, as far as the allowance covers it."""
    limit = allowance.shortfall(worst, now + purchase.due)
    if purchase.due:
        return Wait(purchase.due, purchase.waited()) if limit is None else OverBudget(limit, worst)
    if purchase.unbound:
        return Bind(purchase.avoided)
    if purchase.tries >= purchase.most_attempts:
        return GiveUp(f"gave up after {purchase.tries} attempts, the last of which failed: {purchase.failure}")
    if limit is not None:
        return OverBudget(limit, worst)
    attempt = purchase.attempts + 1
    return Buy(attempt, replace(purchase, attempts=attempt))
