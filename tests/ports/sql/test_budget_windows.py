"""What budget windows promise: nothing is granted beyond a day's limit, and what is not settled stays reserved."""

import asyncio
import uuid
from collections import Counter
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activities.adapters.databases.database import Database
from activities.adapters.sql.budget_windows import SqlBudgetWindows
from activities.ports import BudgetWindows, Granted, KeyTaken, Over, Short, StorageFull, UnknownKey
from activities.settings import Settings
from perdure.contracts.budget import Spend
from perdure.contracts.windows import Window, WindowKey, WindowLimit, day_of
from tests.ports.sql.test_writers_at_once import environment_of
from tests.support.faults.full_disk import full_disk
from tests.support.processes.at_once import lines_of, ready
from tests.support.processes.reserving import ACTUAL, DAY, KEY, LIMIT, WORST, key_of

CENT = Spend(micro_dollars=10_000)
DIME = WindowLimit(micro_dollars=100_000)


async def test_what_is_reserved_is_set_aside_and_what_is_settled_is_spent(windows: BudgetWindows) -> None:
    assert await windows.look("acme", DAY) == Window()
    assert await windows.reserve(KEY, WORST, LIMIT) == Granted()
    assert await windows.look("acme", DAY) == Window(reserved=WORST)
    assert await windows.settle(KEY, ACTUAL) == Window(settled=ACTUAL)
    assert await windows.look("acme", DAY) == Window(settled=ACTUAL)


async def test_what_is_released_is_there_again(windows: BudgetWindows) -> None:
    await windows.reserve(KEY, Spend(micro_dollars=900), LIMIT)
    assert isinstance(await windows.reserve(key_of("two", 1), Spend(micro_dollars=101), LIMIT), Short)
    assert await windows.release(KEY) == Window()
    assert await windows.reserve(key_of("two", 1), Spend(micro_dollars=101), LIMIT) == Granted()


async def test_what_does_not_fit_is_told_with_what_is_settled_reserved_and_left(windows: BudgetWindows) -> None:
    settled, reserved, needed = (Spend(micro_dollars=amount) for amount in (300, 600, 101))
    await windows.reserve(KEY, settled, LIMIT)
    await windows.settle(KEY, settled)
    await windows.reserve(key_of("two", 1), reserved, LIMIT)
    short = Short("micro_dollars", needed, settled, reserved, WindowLimit(micro_dollars=100))
    assert await windows.reserve(key_of("two", 2), needed, LIMIT) == short
    assert await windows.look("acme", DAY) == Window(settled=settled, reserved=reserved)
    assert await windows.reserve(key_of("two", 2), Spend(micro_dollars=100), LIMIT) == Granted()


@pytest.mark.parametrize("limit", ["steps", "tool_calls", "input_tokens", "output_tokens", "micro_dollars"])
async def test_each_limit_holds_by_itself(windows: BudgetWindows, limit: str) -> None:
    most = WindowLimit.model_validate({limit: 5})
    assert await windows.reserve(KEY, Spend.model_validate({limit: 5}), most) == Granted()
    short = await windows.reserve(key_of("two", 1), Spend.model_validate({limit: 1}), most)
    assert isinstance(short, Short)
    assert (short.limit, short.left) == (limit, WindowLimit.model_validate({limit: 0}))


async def test_a_limit_of_zero_grants_nothing_but_nothing(windows: BudgetWindows) -> None:
    none = WindowLimit(micro_dollars=0)
    assert isinstance(await windows.reserve(KEY, Spend(micro_dollars=1), none), Short)
    assert await windows.reserve(KEY, Spend(steps=1), none) == Granted()


async def test_reserving_settling_and_releasing_again_changes_nothing(windows: BudgetWindows) -> None:
    for _ in range(2):
        assert await windows.reserve(KEY, WORST, LIMIT) == Granted()
    assert await windows.look("acme", DAY) == Window(reserved=WORST)
    assert await windows.settle(KEY, ACTUAL) == Window(settled=ACTUAL)
    for again in (windows.settle(KEY, ACTUAL), windows.settle(KEY, WORST), windows.release(KEY)):
        assert await again == Window(settled=ACTUAL)
    assert await windows.reserve(KEY, WORST, LIMIT) == Over(ACTUAL)

    other = key_of("two", 1)
    await windows.reserve(other, WORST, LIMIT)
    for _ in range(2):
        assert await windows.release(other) == Window(settled=ACTUAL)
    assert await windows.reserve(other, WORST, LIMIT) == Over(None)


async def test_a_cost_that_comes_after_the_release_counts_all_the_same(windows: BudgetWindows) -> None:
    await windows.reserve(KEY, WORST, LIMIT)
    await windows.release(KEY)
    assert await windows.settle(KEY, ACTUAL) == Window(settled=ACTUAL)
    assert await windows.settle(KEY, ACTUAL) == Window(settled=ACTUAL)


async def test_a_cost_above_what_was_reserved_is_not_hidden(windows: BudgetWindows) -> None:
    await windows.reserve(KEY, Spend(micro_dollars=1000), LIMIT)
    assert await windows.settle(KEY, Spend(micro_dollars=1200)) == Window(settled=Spend(micro_dollars=1200))
    short = await windows.reserve(key_of("two", 1), Spend(micro_dollars=1), LIMIT)
    assert isinstance(short, Short)
    assert short.left == WindowLimit(micro_dollars=0)


async def test_money_beyond_what_32_bits_hold_is_counted(windows: BudgetWindows) -> None:
    much = Spend(micro_dollars=5_000_000_000)
    await windows.reserve(KEY, much, WindowLimit())
    assert await windows.settle(KEY, much) == Window(settled=much)


@pytest.mark.parametrize("other", [{"tenant": "globex"}, {"day": DAY + timedelta(days=1)}])
async def test_another_tenant_or_day_has_a_window_of_its_own(
    windows: BudgetWindows, other: dict[str, str | date]
) -> None:
    await windows.reserve(KEY, Spend(micro_dollars=1000), LIMIT)
    elsewhere = KEY.model_copy(update=other)
    assert await windows.look(elsewhere.tenant, elsewhere.day) == Window()
    assert await windows.reserve(elsewhere, Spend(micro_dollars=1000), LIMIT) == Granted()


async def test_what_was_never_reserved_cannot_be_settled_or_released(windows: BudgetWindows) -> None:
    for doing in (windows.settle(KEY, ACTUAL), windows.release(KEY)):
        with pytest.raises(
            UnknownKey, match=r"nothing is reserved for 'generate-1/1' of the run 'acme:one' on 2026-01-01"
        ):
            await doing
    assert await windows.look("acme", DAY) == Window()


async def test_a_key_that_holds_another_amount_is_an_error(windows: BudgetWindows) -> None:
    await windows.reserve(KEY, WORST, LIMIT)
    with pytest.raises(KeyTaken, match="holds another amount already"):
        await windows.reserve(KEY, ACTUAL, LIMIT)


async def test_a_reservation_whose_run_vanished_stays_and_is_listed(
    windows: BudgetWindows, database: Database, reopened: Database
) -> None:
    before = datetime.now(UTC)
    await windows.reserve(KEY, WORST, LIMIT)
    await windows.reserve(key_of("two", 1), WORST, LIMIT)
    await windows.settle(key_of("two", 1), ACTUAL)
    await windows.reserve(key_of("two", 2), ACTUAL, LIMIT)
    await database.dispose()
    later = SqlBudgetWindows(reopened)
    first, second = await later.open_reservations("acme", DAY)
    assert (first.key, first.amount) == (KEY, WORST)
    assert (second.key, second.amount) == (key_of("two", 2), ACTUAL)
    assert before <= first.reserved_at <= second.reserved_at <= datetime.now(UTC)
    assert await later.look("acme", DAY) == Window(settled=ACTUAL, reserved=WORST + ACTUAL)
    assert await later.open_reservations("acme", DAY + timedelta(days=1)) == ()


async def test_many_that_reserve_at_once_are_granted_the_limit_and_no_more(windows: BudgetWindows) -> None:
    answers = await asyncio.gather(*(windows.reserve(key_of("one", number), CENT, DIME) for number in range(25)))
    assert Counter(type(each) for each in answers) == {Granted: 10, Short: 15}
    assert (await windows.look("acme", DAY)).reserved == Spend(micro_dollars=100_000)


async def test_processes_that_reserve_and_settle_at_once_never_overshoot_and_lose_no_count(
    place: Settings, windows: BudgetWindows
) -> None:
    environment = environment_of(place)
    processes = [await ready("tests.support.processes.reserving", name, 30, environment=environment) for name in "abc"]
    did = Counter(line.split()[0] for lines in await lines_of(processes) for line in lines)
    assert did.total() == 90
    window = await windows.look("acme", DAY)
    settled, reserved = did["settled"], did["reserved"]
    assert window.settled == Spend(steps=settled, input_tokens=60 * settled, micro_dollars=10 * settled)
    assert window.reserved == Spend(steps=reserved, input_tokens=100 * reserved, micro_dollars=30 * reserved)
    assert window.settled.micro_dollars + window.reserved.micro_dollars <= 1000
    assert did["short"], "the limit was never met"
    assert len(await windows.open_reservations("acme", DAY)) == reserved


async def test_on_a_full_disk_nothing_is_granted_and_what_was_spent_is_settled_once_there_is_room(
    windows: BudgetWindows, database: Database
) -> None:
    await windows.reserve(KEY, WORST, WindowLimit())
    async with full_disk(database, "budget_reservations"):
        granted = await _granted_until_it_is_full(windows)
    window = await windows.look("acme", DAY)
    assert window.reserved.steps == 1 + granted
    assert (await windows.settle(KEY, ACTUAL)).settled == ACTUAL


async def _granted_until_it_is_full(windows: BudgetWindows) -> int:
    for number in range(1000):
        try:
            await windows.reserve(key_of("x" * 100, number), WORST, WindowLimit())
        except StorageFull:
            return number
    pytest.fail("the disk was never full")


AMOUNTS = st.integers(0, 60).map(lambda amount: Spend(micro_dollars=amount))
STEPS = st.lists(
    st.tuples(st.sampled_from(["reserve", "reserve", "settle", "release"]), st.integers(1, 5), st.integers(0, 100)),
    max_size=20,
)


@given(st.lists(AMOUNTS, min_size=5, max_size=5), STEPS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_in_any_order_the_bill_lies_between_what_is_settled_and_what_is_reserved_on_top(
    windows: BudgetWindows, amounts: list[Spend], steps: list[tuple[str, int, int]]
) -> None:
    tenant, limit = f"t-{uuid.uuid4().hex[:20]}", WindowLimit(micro_dollars=100)
    paid, reserved, over = dict[int, int](), dict[int, int](), set[int]()
    for step, number, percent in steps:
        key = WindowKey(tenant=tenant, day=DAY, workflow_id="w", run_id="r", name=f"{number}")
        worst = amounts[number - 1]
        cost = worst.micro_dollars * percent // 100
        if step == "reserve":
            answer = await windows.reserve(key, worst, limit)
            if number in over:
                assert isinstance(answer, Over)
            elif number not in reserved and sum(reserved.values()) + sum(paid.values()) + worst.micro_dollars > 100:
                assert isinstance(answer, Short)
            else:
                assert answer == Granted()
                reserved[number] = worst.micro_dollars
        elif number not in reserved and number not in over:
            with pytest.raises(UnknownKey):
                await (windows.settle(key, Spend()) if step == "settle" else windows.release(key))
        elif step == "release":
            await windows.release(key)
            reserved.pop(number, None)
            over.add(number)
        elif number in reserved:
            await windows.settle(key, Spend(micro_dollars=cost))
            del reserved[number]
            paid[number] = cost
            over.add(number)
        window = await windows.look(tenant, DAY)
        assert window.settled.micro_dollars == sum(paid.values())
        assert window.reserved.micro_dollars == sum(reserved.values())
        assert window.settled.micro_dollars + window.reserved.micro_dollars <= 100


def test_a_day_is_that_of_utc() -> None:
    evening = datetime(2026, 1, 1, 23, 30, tzinfo=timezone(timedelta(hours=-2)))
    assert day_of(evening) == date(2026, 1, 2)
    with pytest.raises(ValueError, match="has no time zone"):
        day_of(datetime(2026, 1, 1))  # noqa: DTZ001 - on purpose
