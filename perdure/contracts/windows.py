"""Budget windows: what a tenant's runs may spend together on one day."""

from datetime import UTC, date, datetime
from typing import Self

from pydantic import AwareDatetime, Field

from perdure.contracts.budget import LIMITS, Budget, Spend
from perdure.contracts.contract import Contract, Name


class WindowKey(Contract):
    """The name of one reservation in the window of a tenant and a day."""

    tenant: Name
    day: date
    """The UTC day on which it was reserved; it stays in this window, however late it is settled."""
    workflow_id: str
    run_id: str
    """The first execution's run id, as in a step's key."""
    name: str = Field(min_length=1, max_length=300)
    """Unique in its run: `step/attempt`, as in the run's own allowance."""


class WindowLimit(Contract):
    """What a tenant's runs may use up on one day; None where there is no limit."""

    steps: int | None = Field(default=None, ge=0)
    tool_calls: int | None = Field(default=None, ge=0)
    input_tokens: int | None = Field(default=None, ge=0)
    output_tokens: int | None = Field(default=None, ge=0)
    micro_dollars: int | None = Field(default=None, ge=0)
    """One dollar is 1,000,000."""

    def breached_by(self, spend: Spend) -> str | None:
        """The first limit that this spend is over, as a field name; None where it fits."""
        for limit in LIMITS:
            most = getattr(self, limit)
            if most is not None and getattr(spend, limit) > most:
                return limit
        return None

    def less(self, spend: Spend) -> Self:
        """What is left of each limit, nothing below zero."""
        bounded = [limit for limit in LIMITS if getattr(self, limit) is not None]
        return self.model_copy(
            update={limit: max(0, getattr(self, limit) - getattr(spend, limit)) for limit in bounded}
        )


class Window(Contract):
    """How a tenant's day stands: `settled <= bill <= settled + reserved`."""

    settled: Spend = Spend()
    """What is known to have been spent."""
    reserved: Spend = Spend()
    """What open reservations may still cost at most, those of runs that vanished among them."""


class Account(Contract):
    """How the account of a run stands: `settled <= bill <= settled + reserved <= budget`.

    It counts what all executions of the run have used up, those that a reset has left behind among them.
    """

    budget: Budget
    settled: Spend = Spend()
    reserved: Spend = Spend()


class WindowShortage(Contract):
    """What is left of a tenant's day, or of a run's account, does not cover an attempt, so it was not made."""

    tenant: Name
    day: date
    limit: str
    """The limit that it would have broken, a field of `WindowLimit`."""
    most: int
    """How much of it the tenant may use up on that day."""
    needed: Spend
    """The worst case of the attempt."""
    settled: Spend
    """What all runs of the tenant are known to have spent on that day, when this attempt was refused."""
    reserved: Spend
    """What attempts that were open then may have cost on top, at most."""
    left: WindowLimit
    run: bool = False
    """Whether it is the run's own account that is short, and not its tenant's day."""

    @property
    def reason(self) -> str:
        """It in one line, with the remedy."""
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
    reserved_at: AwareDatetime
    """UTC."""


def day_of(moment: datetime) -> date:
    """The UTC day of a moment. Raises `ValueError` for one without a time zone."""
    if moment.tzinfo is None:
        raise ValueError(f"the moment {moment.isoformat()!r} has no time zone: a day is that of UTC")
    return moment.astimezone(UTC).date()
