"""Buying one paid step: each attempt is reserved before it starts, and an unknown outcome keeps its reservation.

Steps that are bought at the same time share one allowance: it is handed in for each decision, and kept nowhere here.
An attempt that found away what it needs is none of the tries that are limited: it sent nothing, and time mends it.
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
"""Where nobody asked for more: by then what a minute of patience can mend is mended."""


@dataclass(frozen=True)
class Buy:
    """Start this attempt, once its worst case is reserved under its key."""

    attempt: int
    purchase: "Purchase"

    @property
    def key(self) -> str:
        """The reservation's name in the allowance."""
        return self.purchase.key(self.attempt)


@dataclass(frozen=True)
class Wait:
    """Let this much time pass, durably."""

    duration: timedelta
    purchase: "Purchase"


@dataclass(frozen=True)
class Bind:
    """Choose the deployment of the next attempt."""

    excluding: tuple[str, ...]


@dataclass(frozen=True)
class OverBudget:
    """The next attempt is not affordable, to the run or to its tenant on this day."""

    limit: str
    needed: Spend
    window: WindowShortage | None = None
    """How the tenant's day stands, where that is the limit."""

    @classmethod
    def of_day(cls, window: WindowShortage) -> "OverBudget":
        """What is left of the tenant's day, or of the run's account, does not cover it."""
        return cls(window.limit if window.run else f"daily_{window.limit}", window.needed, window)


@dataclass(frozen=True)
class GiveUp:
    """Another attempt is pointless, or too many were made."""

    reason: str


Step: TypeAlias = Buy | Wait | Bind | OverBudget | GiveUp


@dataclass(frozen=True)
class Purchase:
    """Where the buying of one step stands."""

    step: str
    """The step's name in its run."""
    deployment: Deployment
    """Where the next attempt goes, or the last one went."""
    most_attempts: int
    first_wait: timedelta = timedelta(0)
    """Before the second attempt; doubled for each further one."""
    until: datetime | None = None
    """When what is away is waited for no longer; None for never."""
    attempts: int = 0
    """Attempts started so far: each has a reservation of its own."""
    tries: int = 0
    """Those of them that are limited: they came to nothing although all that they needed was there."""
    failure: str = ""
    """Why the last attempt failed."""
    final: bool = False
    """Whether the last failure would only repeat."""
    window: WindowShortage | None = None
    """How the tenant's day stands, where that is why the last attempt was not made."""
    due: timedelta = timedelta(0)
    """How long to wait before anything else."""
    unbound: bool = False
    """Whether the deployment has to be chosen again."""
    excluded: tuple[str, ...] = ()
    """Deployments that would not serve this request."""
    patience: timedelta = timedelta(0)
    """How long to wait where nothing but the deployment that failed is to be had."""
    away_since: datetime | None = None
    """Since when each attempt has found away what it needs; None where the last one did not."""
    outages: int = 0
    """How many of them did so in a row."""
    away: tuple[str, ...] = ()
    """Deployments that are away, since all were last left alone for a while."""
    asked: timedelta | None = None
    """How long the world asked to be left alone, the last time."""

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
        """The current attempt failed. What that settles is `after_failure`'s to say."""
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
        """The current attempt found away what it needs, and sent nothing: it costs nothing, and is no try.

        Another deployment of the tier is turned to at once, also from one that says too often that it is overloaded;
        where there is none, all are left alone for a while and asked anew.
        """
        outages = self.outages + 1
        busy = remedy is Remedy.RETRY and outages >= self.most_attempts
        elsewhere = busy or remedy in (Remedy.FALL_BACK, Remedy.CIRCUIT_OPEN)
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
        """How long to wait after so many tries: what was asked for, and no less than the doubled wait."""
        doubled = min(self.first_wait * 2 ** (tries - 1), max(LONGEST_WAIT, self.first_wait))
        return doubled if retry_after is None or not self.first_wait else max(doubled, retry_after)

    @property
    def avoided(self) -> tuple[str, ...]:
        """The deployments that are not turned to next, where there is another one."""
        return tuple(dict.fromkeys((*self.excluded, *self.away)))

    def bound(self, deployment: Deployment) -> "Purchase":
        """The deployment was chosen again. Where it is one that failed, there is no other: it needs its time."""
        failed = deployment.name in self.avoided
        if failed and self.away:
            return replace(self, away=(), due=self.patience, patience=timedelta(0))  # and then all are asked anew
        due = self.patience if failed else timedelta(0)
        return replace(self, deployment=deployment, unbound=False, due=due, patience=timedelta(0))

    def waited(self) -> "Purchase":
        """The time has passed."""
        return replace(self, due=timedelta(0))

    def after_failure(self, allowance: Allowance, *, free_of_charge: bool, away: bool = False) -> Allowance:
        """Unless the current attempt is known to have cost nothing, its reservation stays. One in vain is no step."""
        if away:
            return allowance.settle(self.key(self.attempts), Spend())
        return allowance.settle(self.key(self.attempts), Spend(steps=1)) if free_of_charge else allowance

    def after_reply(self, allowance: Allowance, charges: dict[int, Spend]) -> Allowance:
        """Settle every attempt whose cost is known by now, the earlier ones too."""
        for attempt in sorted(charges):
            allowance = allowance.settle(self.key(attempt), charges[attempt])
        return allowance

    def after_stop(self, allowance: Allowance, charges: dict[int, Spend]) -> Allowance:
        """The current attempt was called off: settle what it cost at least, and keep the rest reserved."""
        return allowance.settle_part(self.key(self.attempts), charges.get(self.attempts, Spend()))


def next_step(purchase: Purchase, allowance: Allowance, worst: Spend, now: datetime) -> Step:
    """What to do next, given what is left, what an attempt at the current deployment may cost at most, and the time."""
    if purchase.final:
        return GiveUp(purchase.failure) if purchase.window is None else OverBudget.of_day(purchase.window)
    if purchase.due and purchase.away_since is not None and purchase.until is not None:
        left = purchase.until - now
        if left <= timedelta(0) or (purchase.asked or timedelta(0)) > left:
            return GiveUp(f"{purchase.failure} (it was waited for, for {lasted(now - purchase.away_since)})")
        purchase = replace(purchase, due=min(purchase.due, left))
    return _affordable(purchase, allowance, worst, now)


def _affordable(purchase: Purchase, allowance: Allowance, worst: Spend, now: datetime) -> Step:
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
