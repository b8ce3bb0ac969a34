"""Buying one paid step: each attempt is reserved before it starts, and an unknown outcome keeps its reservation."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from perdure.contracts.budget import Allowance, Spend


@dataclass(frozen=True)
class Buy:
    """Start this attempt: its worst case is reserved in the purchase."""

    attempt: int
    purchase: "Purchase"


@dataclass(frozen=True)
class OverBudget:
    """The next attempt is not affordable."""

    limit: str
    needed: Spend


@dataclass(frozen=True)
class GiveUp:
    """Another attempt is pointless, or too many were made."""

    reason: str


Step: TypeAlias = Buy | OverBudget | GiveUp


@dataclass(frozen=True)
class Purchase:
    """Where the buying of one step stands."""

    step: str
    """The step's name in its run."""
    allowance: Allowance
    most_attempts: int
    attempts: int = 0
    """Attempts started so far."""
    failure: str = ""
    """Why the last attempt failed."""
    final: bool = False
    """Whether the last failure would only repeat."""

    def key(self, attempt: int) -> str:
        """The reservation's name in the allowance."""
        return f"{self.step}/{attempt}"

    def failed(self, reason: str, *, free_of_charge: bool, final: bool) -> "Purchase":
        """The current attempt failed. Unless it is known to have cost nothing, its reservation stays."""
        allowance = self.allowance
        if free_of_charge:
            allowance = allowance.settle(self.key(self.attempts), Spend(steps=1))
        return replace(self, allowance=allowance, failure=reason, final=final)

    def settled(self, charges: dict[int, Spend]) -> "Purchase":
        """A reply came: settle every attempt whose cost is known by now, the earlier ones too."""
        allowance = self.allowance
        for attempt in sorted(charges):
            allowance = allowance.settle(self.key(attempt), charges[attempt])
        return replace(self, allowance=allowance)


def next_step(purchase: Purchase, worst: Spend, now: datetime) -> Step:
    """Whether to make the next attempt, given what it may cost at most and the time now."""
    if purchase.final:
        return GiveUp(purchase.failure)
    if purchase.attempts >= purchase.most_attempts:
        return GiveUp(f"gave up after {purchase.attempts} attempts, the last of which failed: {purchase.failure}")
    limit = purchase.allowance.shortfall(worst, now)
    if limit is not None:
        return OverBudget(limit, worst)
    attempt = purchase.attempts + 1
    allowance = purchase.allowance.reserve(purchase.key(attempt), worst)
    return Buy(attempt, replace(purchase, attempts=attempt, allowance=allowance))
