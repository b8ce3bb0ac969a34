"""A paid attempt is charged once to its run's account and to its tenant's day, whatever the workflow asks for."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activities.adapters.databases.database import Database
from activities.adapters.sql import accounts, budget_windows
from activities.adapters.sql.accounts import SqlAccounts
from activities.adapters.sql.budget_windows import SqlBudgetWindows
from activities.adapters.sql.paid_replies import SqlPaidReplies
from activities.adapters.sql.runs import SqlRuns
from activities.ports import KeyTaken, NotThisRun, WindowSpent
from perdure.contracts.budget import Budget, Spend
from perdure.contracts.chains.steps import RecordRead, StepKey
from perdure.contracts.text import Text
from perdure.contracts.windows import Account, Window, WindowLimit, WindowShortage
from tests.support.stores.orders import order, run_of

KEY = StepKey(tenant="acme", workflow_id="acme:one", run_id="run-one", step="generate")
MONDAY, TUESDAY = datetime(2026, 3, 2, 12, tzinfo=UTC), datetime(2026, 3, 3, 12, tzinfo=UTC)
WORST = Spend(steps=1, micro_dollars=60)
ACTUAL = Spend(steps=1, micro_dollars=10)
REPLY = RecordRead(said=Text.of("said"), model="m", finish_reason="stop", prompt_digest="0" * 64, charges={})
BUDGET = Budget(steps=100, micro_dollars=1000)


class Clock:
    """The database's clock, shifted."""

    def __init__(self) -> None:
        self.at = MONDAY

    def __call__(self, _: object) -> datetime:
        return self.at


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (accounts, budget_windows):
        monkeypatch.setattr(module, "now", clock)
    return clock


@pytest.fixture
def limited(database: Database) -> SqlPaidReplies:
    return SqlPaidReplies(database, {"acme": WindowLimit(micro_dollars=100)}.get)


@pytest.fixture
def unlimited(database: Database) -> SqlPaidReplies:
    return SqlPaidReplies(database)


async def registered(database: Database, key: StepKey = KEY, budget: Budget = BUDGET) -> None:
    await SqlRuns(database).register(run_of(key, budget))


async def account(database: Database, key: StepKey = KEY) -> Account:
    record = await SqlAccounts(database).look(key.tenant, key.run_id)
    assert record is not None
    return record


async def day(database: Database, moment: datetime = MONDAY) -> Window:
    return await SqlBudgetWindows(database).look("acme", moment.date())


async def test_a_run_that_is_registered_twice_keeps_its_first_budget(database: Database) -> None:
    await registered(database)
    again = await SqlRuns(database).register(run_of(KEY, Budget(micro_dollars=10**9)))
    assert again.budget == BUDGET
    assert (await account(database)).budget == BUDGET


async def test_an_execution_belongs_to_one_workflow_id(database: Database) -> None:
    await registered(database)
    with pytest.raises(KeyTaken, match="belongs to one run"):
        await SqlRuns(database).register(run_of(KEY.model_copy(update={"workflow_id": "acme:two"})))


async def test_a_run_that_is_not_registered_buys_nothing(unlimited: SqlPaidReplies) -> None:
    with pytest.raises(NotThisRun, match="no account"):
        await unlimited.begin(order(KEY, 1, worst=WORST), RecordRead)
    assert await unlimited.attempts(KEY) == {}


async def test_an_attempt_is_reserved_with_its_record_and_settled_with_its_reply(
    database: Database, limited: SqlPaidReplies, clock: Clock
) -> None:
    await registered(database)
    first = order(KEY, 1, worst=WORST)
    await limited.begin(first, RecordRead)
    assert await account(database) == Account(budget=BUDGET, reserved=WORST)
    assert await day(database) == Window(reserved=WORST)
    clock.at = TUESDAY
    await limited.save(first, REPLY, ACTUAL)
    await limited.save(first, REPLY, ACTUAL)
    assert await account(database) == Account(budget=BUDGET, settled=ACTUAL)
    # The charge is on the day of the call, even if the reply came later.
    assert await day(database) == Window(settled=ACTUAL)
    assert await day(database, TUESDAY) == Window()


async def test_what_does_not_fit_into_the_day_is_refused_with_all_that_a_reader_needs(
    database: Database, limited: SqlPaidReplies, clock: Clock
) -> None:
    await registered(database)
    assert clock.at == MONDAY
    bought = order(KEY, 1, worst=WORST)
    await limited.begin(bought, RecordRead)
    await limited.save(bought, REPLY, ACTUAL)
    await limited.begin(order(KEY, 2, worst=WORST, question="b" * 64), RecordRead)
    with pytest.raises(WindowSpent) as refusal:
        await limited.begin(order(KEY, 3, worst=WORST, question="c" * 64), RecordRead)
    assert refusal.value.evidence == WindowShortage(
        tenant="acme",
        day=MONDAY.date(),
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
    # The refused attempt leaves no charge, in the account neither.
    assert await account(database) == Account(budget=BUDGET, settled=ACTUAL, reserved=WORST)
    clock.at = TUESDAY
    assert await limited.begin(order(KEY, 3, worst=WORST, question="c" * 64), RecordRead) is None


async def test_an_account_is_not_overdrawn_whatever_a_workflow_asks_for(
    database: Database, unlimited: SqlPaidReplies
) -> None:
    await registered(database, budget=Budget(steps=100, micro_dollars=100))
    await unlimited.begin(order(KEY, 1, worst=WORST), RecordRead)
    with pytest.raises(WindowSpent, match="the run's account has too little left: of 100 micro_dollars") as refusal:
        await unlimited.begin(order(KEY, 2, worst=WORST, question="b" * 64), RecordRead)
    shortage = refusal.value.evidence
    assert isinstance(shortage, WindowShortage)
    assert shortage.run


async def test_an_attempt_after_the_deadline_is_refused_by_the_clock_of_the_database(
    database: Database, unlimited: SqlPaidReplies, clock: Clock
) -> None:
    await registered(database, budget=Budget(until=MONDAY + timedelta(seconds=1)))
    await unlimited.begin(order(KEY, 1), RecordRead)
    clock.at = TUESDAY
    with pytest.raises(WindowSpent, match="deadline has passed"):
        await unlimited.begin(order(KEY, 2), RecordRead)


async def test_an_attempt_that_a_reset_makes_again_is_reserved_anew(
    database: Database, limited: SqlPaidReplies, clock: Clock
) -> None:
    assert clock.at == MONDAY
    await registered(database)
    await limited.begin(order(KEY, 1, worst=WORST, asking="before the reset"), RecordRead)
    with pytest.raises(WindowSpent):
        await limited.begin(order(KEY, 1, worst=WORST, asking="after the reset"), RecordRead)
    assert await day(database) == Window(reserved=WORST)


async def test_a_saved_reply_is_never_the_answer_to_another_question(
    database: Database, unlimited: SqlPaidReplies
) -> None:
    await registered(database)
    saved, denied = order(KEY, 1, question="1" * 64, asking="a"), order(KEY, 1, question="2" * 64, asking="b")
    await unlimited.begin(saved, RecordRead)
    await unlimited.save(saved, REPLY, ACTUAL)
    assert await unlimited.begin(denied, RecordRead) is None
    other = REPLY.model_copy(update={"said": Text.of("another")})
    assert (await unlimited.save(denied, other, ACTUAL)).said == other.said
    # Each question keeps its own answer, and is charged once.
    for asked_order, reply in ((saved, REPLY), (denied, other)):
        record = await unlimited.begin(order(KEY, 1, question=asked_order.question, asking="again"), RecordRead)
        assert record == reply.model_copy(update={"charges": {1: ACTUAL}})
    assert await account(database) == Account(budget=BUDGET, settled=ACTUAL + ACTUAL)
    assert len(await unlimited.saved(KEY)) == 2


async def test_what_is_known_to_have_cost_nothing_is_given_back_once(
    database: Database, limited: SqlPaidReplies, clock: Clock
) -> None:
    assert clock.at == MONDAY
    await registered(database)
    free = order(KEY, 1, worst=WORST)
    await limited.begin(free, RecordRead)
    for _ in range(2):
        await limited.give_back(free)
    assert await account(database) == Account(budget=BUDGET)
    assert await day(database) == Window()
    assert await limited.attempts(KEY) == {1: Spend()}


async def test_a_call_that_no_ledger_records_is_charged_once_for_each_asking(database: Database) -> None:
    await registered(database, budget=Budget(tool_calls=2))
    accounts, price = SqlAccounts(database), Spend(tool_calls=1)
    for asking in ("one", "one", "two"):
        await accounts.charge_call(KEY, 1, asking, price)
    assert (await account(database)).settled == Spend(tool_calls=2)
    with pytest.raises(WindowSpent):
        await accounts.charge_call(KEY, 1, "three", price)


async def test_many_that_begin_at_once_reserve_no_more_than_there_is(
    database: Database, unlimited: SqlPaidReplies
) -> None:
    await registered(database, budget=Budget(steps=5))
    orders = [order(KEY, number, question=f"{number:064}") for number in range(1, 13)]
    begun = await asyncio.gather(*(unlimited.begin(one, RecordRead) for one in orders), return_exceptions=True)
    assert sum(one is None for one in begun) == 5
    assert sum(isinstance(one, WindowSpent) for one in begun) == 7
    assert (await account(database)).reserved == Spend(steps=5)


STEPS = st.lists(
    st.tuples(st.sampled_from(["begin", "save", "give back", "reset"]), st.integers(1, 3), st.sampled_from(["a", "b"])),
    max_size=25,
)


@given(STEPS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_in_any_order_the_account_and_the_day_cover_the_bill(
    database: Database, steps: list[tuple[str, int, str]]
) -> None:
    key = KEY.model_copy(update={"run_id": uuid.uuid4().hex, "tenant": "trial"})
    await registered(database, key, Budget(steps=10**6, micro_dollars=300))
    replies, history, bill = SqlPaidReplies(database), 0, 0
    begun: dict[str, bool] = {}
    for step, attempt, question in steps:
        asking = f"{history}/{attempt}/{question}"
        bought = order(key, attempt, question=question * 64, worst=WORST, asking=asking)
        if step == "reset":
            history += 1
        elif step == "begin":
            try:
                if await replies.begin(bought, RecordRead) is None and asking not in begun:
                    begun[asking] = True
            except WindowSpent:
                pass
        elif begun.get(asking):
            begun[asking] = False
            if step == "save":
                bill += ACTUAL.micro_dollars
                await replies.save(bought, REPLY, ACTUAL)
            else:
                await replies.give_back(bought)
    stands = await account(database, key)
    assert stands.settled.micro_dollars == bill
    assert stands.reserved.micro_dollars == WORST.micro_dollars * sum(begun.values())
    assert bill <= stands.settled.micro_dollars + stands.reserved.micro_dollars <= 300
