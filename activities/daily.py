"""What a tenant may spend on one day: each paid attempt is set aside in its window before anything is sent."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import count

from activities.ports import BudgetWindows, Granted, KeyTaken, Over, PortError, Short, WindowSpent
from perdure.contracts.budget import Spend
from perdure.contracts.steps import StepKey
from perdure.contracts.windows import WindowKey, WindowLimit, WindowShortage, day_of


def today() -> date:
    """The UTC day."""
    return day_of(datetime.now(UTC))


@dataclass(frozen=True)
class Held:
    """What is set aside for one attempt."""

    key: WindowKey
    attempt: int


class DailyWindows:
    """The windows of all tenants. One without a limit has none, so that nobody pays for what nobody asked for."""

    def __init__(
        self, windows: BudgetWindows, limit_of: Callable[[str], WindowLimit | None], today: Callable[[], date] = today
    ) -> None:
        """`limit_of` knows a tenant's limit; None where there is none."""
        self._windows = windows
        self._limit_of = limit_of
        self._today = today

    async def hold(self, key: StepKey, attempt: int, worst: Spend) -> Held | None:
        """Set the worst case of an attempt aside; None where the tenant has no limit.

        Raises `WindowSpent` where it does not fit into what is left of the day, and as the store does.
        """
        limit = self._limit_of(key.tenant)
        if limit is None:
            return None
        day = self._today()
        for again in count():
            window = WindowKey(
                tenant=key.tenant,
                day=day,
                workflow_id=key.workflow_id,
                run_id=key.run_id,
                name=_name(key, attempt) + (f".{again}" if again else ""),
            )
            try:
                reserved = await self._windows.reserve(window, worst, limit)
            except KeyTaken:
                continue
            match reserved:
                case Granted():
                    return Held(window, attempt)
                case Short() as short:
                    raise WindowSpent(_shortage(window, short, limit))
                case Over():
                    # A run that was reset makes an attempt again whose first reservation is over.
                    continue
        raise AssertionError("counting does not end")

    async def settle(self, key: StepKey, charges: Mapping[int, Spend], held: Held | None = None) -> None:
        """Settle every attempt of the step whose cost is known by now, on whatever day it was made.

        The rest stay reserved: of an attempt that was lost or cut off nobody knows what it cost.
        """
        if held is not None and held.attempt in charges:
            await self._windows.settle(held.key, charges[held.attempt])
        earlier = {
            _name(key, attempt): charge
            for attempt, charge in charges.items()
            if held is None or attempt != held.attempt
        }
        if earlier and self._limit_of(key.tenant) is not None:
            await self._windows.settle_known(key.tenant, key.run_id, earlier)

    async def give_back(self, held: Held | None) -> None:
        """Release what is known to have cost nothing. Where that fails it stays reserved, and nothing is overspent."""
        if held is not None:
            with suppress(PortError):
                await self._windows.release(held.key)


def _name(key: StepKey, attempt: int) -> str:
    """As in the run's own allowance."""
    return f"{key.step}/{attempt}"


def _shortage(key: WindowKey, short: Short, limit: WindowLimit) -> WindowShortage:
    return WindowShortage(
        tenant=key.tenant,
        day=key.day,
        limit=short.limit,
        most=getattr(limit, short.limit),
        needed=short.needed,
        settled=short.settled,
        reserved=short.reserved,
        left=short.left,
    )
