"""What an attempt may cost is set aside of its tenant's day, and settled on that day, whenever its cost is known."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from activities.adapters.sql_budget_windows import SqlBudgetWindows
from activities.adapters.sqlite_database import open_sqlite
from activities.daily import DailyWindows
from activities.ports import BudgetWindows, WindowSpent
from perdure.contracts.budget import Spend
from perdure.contracts.steps import StepKey
from perdure.contracts.windows import Window, WindowLimit, WindowShortage

MONDAY = date(2026, 3, 2)
TUESDAY = MONDAY + timedelta(days=1)
KEY = StepKey(tenant="acme", workflow_id="acme:one", run_id="run-one", step="generate")
WORST = Spend(steps=1, micro_dollars=60)
ACTUAL = Spend(steps=1, micro_dollars=10)
LIMITS = {"acme": WindowLimit(micro_dollars=100)}


class Clock:
    """The day, as far as the windows know."""

    def __init__(self) -> None:
        self.day = MONDAY

    def __call__(self) -> date:
        return self.day


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture(loop_scope="session")
async def windows(tmp_path: Path) -> AsyncIterator[BudgetWindows]:
    database = open_sqlite(tmp_path / "perdure.db")
    yield SqlBudgetWindows(database)
    await database.dispose()


@pytest.fixture
def days(windows: BudgetWindows, clock: Clock) -> DailyWindows:
    return DailyWindows(windows, LIMITS.get, clock)


async def test_a_tenant_without_a_limit_has_no_window(days: DailyWindows, windows: BudgetWindows) -> None:
    other = KEY.model_copy(update={"tenant": "globex"})
    held = await days.hold(other, 1, WORST)
    assert held is None
    await days.settle(other, {1: ACTUAL}, held)
    await days.give_back(held)
    assert await windows.look("globex", MONDAY) == Window()


async def test_what_does_not_fit_is_refused_with_all_that_a_reader_needs(days: DailyWindows) -> None:
    await days.settle(KEY, {1: ACTUAL}, await days.hold(KEY, 1, WORST))
    await days.hold(KEY, 2, WORST)
    with pytest.raises(WindowSpent) as refusal:
        await days.hold(KEY, 3, WORST)
    assert refusal.value.evidence == WindowShortage(
        tenant="acme",
        day=MONDAY,
        limit="micro_dollars",
        most=100,
        needed=WORST,
        settled=ACTUAL,
        reserved=WORST,
        left=WindowLimit(micro_dollars=30),
    )
    assert str(refusal.value) == (
        "the tenant 'acme' has too little left of 2026-03-02 (UTC): of 100 micro_dollars, 10 are settled and 60 "
        "reserved, which leaves 30, and the attempt needs up to 60: raise the tenant's daily limit, or ask again later"
    )


async def test_the_next_day_is_a_window_of_its_own(days: DailyWindows, clock: Clock) -> None:
    await days.hold(KEY, 1, WORST)
    clock.day = TUESDAY
    assert await days.hold(KEY, 2, WORST) is not None


async def test_a_reply_over_midnight_is_settled_on_the_day_of_its_call(
    days: DailyWindows, windows: BudgetWindows, clock: Clock
) -> None:
    held = await days.hold(KEY, 1, WORST)
    clock.day = TUESDAY
    await days.settle(KEY, {1: ACTUAL}, held)
    assert await windows.look("acme", MONDAY) == Window(settled=ACTUAL)
    assert await windows.look("acme", TUESDAY) == Window()


async def test_an_attempt_that_saved_its_reply_and_died_is_settled_by_the_one_that_finds_it(
    days: DailyWindows, windows: BudgetWindows, clock: Clock
) -> None:
    await days.hold(KEY, 1, WORST)
    clock.day = TUESDAY
    await days.settle(KEY, {1: ACTUAL, 2: Spend()})
    assert await windows.look("acme", MONDAY) == Window(settled=ACTUAL)


async def test_an_earlier_attempt_of_unknown_cost_stays_reserved(days: DailyWindows, windows: BudgetWindows) -> None:
    await days.hold(KEY, 1, Spend(micro_dollars=40))
    await days.settle(KEY, {2: ACTUAL}, await days.hold(KEY, 2, WORST))
    assert await windows.look("acme", MONDAY) == Window(settled=ACTUAL, reserved=Spend(micro_dollars=40))


async def test_a_run_that_was_reset_makes_an_attempt_again_under_a_reservation_of_its_own(
    days: DailyWindows, windows: BudgetWindows
) -> None:
    await days.give_back(await days.hold(KEY, 1, WORST))
    again = await days.hold(KEY, 1, WORST)
    assert await windows.look("acme", MONDAY) == Window(reserved=WORST)
    await days.settle(KEY, {1: ACTUAL}, again)
    assert await windows.look("acme", MONDAY) == Window(settled=ACTUAL)


async def test_an_attempt_that_is_made_again_for_another_price_is_reserved_beside_the_first(
    days: DailyWindows, windows: BudgetWindows
) -> None:
    await days.hold(KEY, 1, ACTUAL)
    assert await days.hold(KEY, 1, WORST) is not None
    assert await windows.look("acme", MONDAY) == Window(reserved=ACTUAL + WORST)
