"""Daily limits of what a tenant's runs spend together: reserved before it is spent, and never more than the limit."""

from dataclasses import dataclass
from datetime import date
from typing import Protocol, TypeAlias

from perdure.contracts.budget import Spend
from perdure.contracts.windows import Reservation, Window, WindowKey, WindowLimit


@dataclass(frozen=True)
class Granted:
    """The amount is set aside until it is settled or released."""


@dataclass(frozen=True)
class Short:
    """The amount does not fit into the rest of the day's limit. Nothing is set aside; later more may be free."""

    limit: str
    """The name of the limit that it would break, as a field of `WindowLimit`."""
    needed: Spend
    settled: Spend
    reserved: Spend
    left: WindowLimit


@dataclass(frozen=True)
class Over:
    """The reservation was settled or released before: nothing may be spent under its key any more."""

    spent: Spend | None
    """The amount that it was settled with; None if it was released."""


Reserved: TypeAlias = Granted | Short | Over


class BudgetWindows(Protocol):
    """Reserves the most that paid attempts may cost, in a window for each tenant and UTC day.

    Each method is one transaction and may be repeated: nothing is done twice under one key. The reservation of a run
    that vanished stays, since its cost is unknown. All raise `StorageFull` or `StorageFailed`.
    """

    async def reserve(self, key: WindowKey, amount: Spend, limit: WindowLimit) -> Reserved:
        """Reserve an amount, if it fits beside all that is settled and reserved on that day.

        Reservations at the same time never exceed the limit together. Raises `KeyTaken` if another amount was reserved
        under this key.
        """
        ...

    async def settle(self, key: WindowKey, spent: Spend) -> Window:
        """Replace a reservation by the real cost, even if that is more, and return the day's window.

        The first settlement counts. A released reservation is settled too, since the money is gone. Raises
        `UnknownKey` if nothing was ever reserved under this key.
        """
        ...

    async def release(self, key: WindowKey) -> Window:
        """Release a reservation of which nothing was spent, and return the day's window.

        Changes nothing if it was settled. Raises `UnknownKey` if nothing was ever reserved under this key.
        """
        ...

    async def look(self, tenant: str, day: date) -> Window:
        """Return the window of a day."""
        ...

    async def open_reservations(self, tenant: str, day: date) -> tuple[Reservation, ...]:
        """Return the reservations that are not settled, the oldest first: of busy runs, and of runs that vanished."""
        ...
