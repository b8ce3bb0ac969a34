"""What a tenant's runs may spend together on one day: reserved before it is spent, and never more than the limit."""

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
    """The amount does not fit into what is left of the day. Nothing is set aside; later there may be more."""

    limit: str
    """The limit that it would break, as a field's name."""
    needed: Spend
    settled: Spend
    reserved: Spend
    left: WindowLimit


@dataclass(frozen=True)
class Over:
    """This reservation was settled or released: nothing may be spent under its key any more."""

    spent: Spend | None
    """What it was settled with; None where it was released."""


Reserved: TypeAlias = Granted | Short | Over


class BudgetWindows(Protocol):
    """Sets aside what paid attempts may cost at most, in a window for each tenant and UTC day.

    Each method is one transaction, and may be repeated: what was done under a key is not done twice. A reservation
    whose run vanished stays, since nobody knows what it spent. All raise `StorageFull` or `StorageFailed`.
    """

    async def reserve(self, key: WindowKey, amount: Spend, limit: WindowLimit) -> Reserved:
        """Set an amount aside, if it fits beside all that is settled and reserved on that day.

        However many reserve at once, what they are granted is never more than the limit. Raises `KeyTaken` where
        another amount was set aside under this key.
        """
        ...

    async def settle(self, key: WindowKey, spent: Spend) -> Window:
        """Replace a reservation by what it really cost, even where that is more. The first settlement counts.

        One that was released is settled all the same: the money is gone. Returns how the day stands. Raises
        `UnknownKey` where nothing was ever reserved under this key.
        """
        ...

    async def release(self, key: WindowKey) -> Window:
        """Give a reservation back: it is known that nothing was spent. Changes nothing where it was settled.

        Returns how the day stands. Raises `UnknownKey` where nothing was ever reserved under this key.
        """
        ...

    async def look(self, tenant: str, day: date) -> Window:
        """How a day stands."""
        ...

    async def open_reservations(self, tenant: str, day: date) -> tuple[Reservation, ...]:
        """What is reserved and not settled, the oldest first: of runs that are busy, and of runs that vanished."""
        ...
