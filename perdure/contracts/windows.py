"""Daily windows: what all runs of a tenant together may spend on one day."""

from datetime import UTC, date, datetime
from typing import Self

from pydantic import AwareDatetime, Field

from perdure.contracts.budget import LIMITS, Budget, Spend
from perdure.contracts.contract import Contract, Name


class WindowKey(Contract):
    """The key of one reservation in the window of a tenant and a day."""

    tenant: Name
    day: date
    """The UTC day of the reservation. It stays in this window, however late it is settled."""
    workflow_id: str
    """Temporal's workflow id of the run, `tenant:business id`."""
    run_id: str
    """The run id of the first execution, as in a `StepKey`."""
    name: str = Field(min_length=1, max_length=300)
    """The name of the reservation, unique in its run: `step/attempt`, as in the run's own allowance."""


class WindowLimit(Contract):
    """The most that a tenant's runs may use up on one day. A field is None where there is no limit."""

    steps: int | None = Field(default=None, ge=0)
    """Paid attempts."""
    tool_calls: int | None = Field(default=None, ge=0)
    """Calls of tools."""
    input_tokens: int | None = Field(default=None, ge=0)
    """Tokens of prompts."""
    output_tokens: int | None = Field(default=None, ge=0)
    """Tokens of replies."""
    micro_dollars: int | None = Field(default=None, ge=0)
    """One dollar is 1,000,000."""

    def breached_by(self, spend: Spend) -> str | None:
        """Return the first limit that the spend exceeds, as a field name; None where it fits."""
        for limit in LIMITS:
            most = getattr(self, limit)
            if most is not None and getattr(spend, limit) > most:
                return limit
        return None

    def less(self, spend: Spend) -> Self:
        """Return what is left of each limit after the spend. No limit goes below zero."""
        bounded = [limit for limit in LIMITS if getattr(self, limit) is not None]
        return self.model_copy(
            update={limit: max(0, getattr(self, limit) - getattr(spend, limit)) for limit in bounded}
        )


class Window(Contract):
    """The window of a tenant's day: `settled <= bill <= settled + reserved`."""

    settled: Spend = Spend()
    """Amounts that are known to be spent."""
    reserved: Spend = Spend()
    """The most that open reservations may still cost, those of runs that vanished included."""


class Account(Contract):
    """The account of a run: `settled <= bill <= settled + reserved <= budget`.

    It counts all executions of the run, also those that a reset has left behind.
    """

    budget: Budget
    settled: Spend = Spend()
    """Amounts that are known to be spent."""
    reserved: Spend = Spend()
    """The most that open reservations may still cost."""


class WindowShortage(Contract):
    """A shortage in a tenant's day or in a run's account: an attempt was not covered, so it was not made."""

    tenant: Name
    day: date
    """The UTC day."""
    limit: str
    """The limit that the attempt would have broken: a field of `WindowLimit`, or `until`."""
    most: int
    """The value of that limit: what may be used up in the whole day, or by the whole run."""
    needed: Spend
    """The worst case of the attempt."""
    settled: Spend
    """Amounts that were known to be spent when the attempt was refused."""
    reserved: Spend
    """The most that attempts which were open then may have cost on top of `settled`."""
    left: WindowLimit
    """The amounts that were left of each limit."""
    run: bool = False
    """True where the run's own account is short; False where the tenant's day is."""

    @property
    def reason(self) -> str:
        """The shortage in one line, with the remedy."""
        if self.limit == "until":
            return "the budget's deadline has passed, by the database's clock: start a run with a later one"
        needed, settled, reserved, left = (
            getattr(part, self.limit) for part in (self.needed, self.settled, self.reserved, self.left)
        )
        if self.run:
            return (
                f"the run's account has too little left: of {self.most} {self.limit}, {settled} are settled and "
                f"{reserved} reserved, also by executions that a reset has left behind, which leaves {left}, and the "
                f"attempt needs up to {needed}: start a run with a larger budget"
            )
        return (
            f"the tenant {self.tenant!r} has too little left of {self.day} (UTC): of {self.most} {self.limit}, "
            f"{settled} are settled and {reserved} reserved, which leaves {left}, and the attempt needs up to "
            f"{needed}: raise the tenant's daily limit, or ask again later"
        )


class Reservation(Contract):
    """A reservation that is still open."""

    key: WindowKey
    amount: Spend
    """The worst case that is set aside."""
    reserved_at: AwareDatetime
    """The moment of the reservation, in UTC."""


def day_of(moment: datetime) -> date:
    """Return the UTC day of a moment. Raises `ValueError` for a moment without a time zone."""
    if moment.tzinfo is None:
        raise ValueError(f"the moment {moment.isoformat()!r} has no time zone: a day is that of UTC")
    return moment.astimezone(UTC).date()
