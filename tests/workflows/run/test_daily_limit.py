"""Runs of a tenant share a daily limit: a run that finds too little left ends exhausted before any call."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from temporalio.client import Client

from activities.adapters.databases.open import open_database
from activities.adapters.sql.budget_windows import SqlBudgetWindows
from activities.settings import Settings
from activities.settings.groups import DailyLimit, Limits
from perdure.client import Platform
from perdure.contracts.budget import Spend
from perdure.contracts.runs.run import Answered, Cancelled, Exhausted, RunResult
from perdure.contracts.windows import Reservation, Window, day_of
from tests.support.servers.stub_model import INPUT_TOKENS, OUTPUT_TOKENS, StubModel
from worker import Adapters, WorkerRole, workers

QUESTION = "How many weeks of parental leave are paid in full?"
INVOICE = "Invoice no. 4711\nFrom: Northwind Ltd\nDate: 2026-03-02\nTotal: EUR 120.00\n"


@pytest.fixture
def own_settings(settings: Settings, state: Path, tmp_path: Path) -> Settings:
    """Return settings with a database of this test's own, over the index that all tests share."""
    (tmp_path / "index").symlink_to(state / "index")
    return settings.model_copy(update={"paths": settings.paths.model_copy(update={"state": tmp_path})})


@asynccontextmanager
async def limited(client: Client, own_settings: Settings, **limits: int) -> AsyncGenerator[None]:
    """Start workers that hold the tenant to these daily limits."""
    settings = own_settings.model_copy(
        update={"limits": Limits(tenants={"default": DailyLimit.model_validate(limits)})}
    )
    async with AsyncExitStack() as stack:
        parts = await Adapters.open(settings, stack)
        for worker in workers(client, settings, parts, list(WorkerRole)):
            await stack.enter_async_context(worker)
        yield


async def daily_window(own_settings: Settings) -> tuple[Window, tuple[Reservation, ...]]:
    """Return the tenant's window and its open reservations, as another process reads them."""
    day = day_of(datetime.now(UTC))
    async with open_database(own_settings) as database:
        windows = SqlBudgetWindows(database)
        return await windows.look("default", day), await windows.open_reservations("default", day)


def price(result: RunResult) -> Spend:
    """Return what a run is known to have spent, without the attempts that called nothing."""
    return result.spent.model_copy(update={"steps": 1})


async def test_a_reply_is_settled_in_the_window_at_what_it_cost(
    client: Client, platform: Platform, own_settings: Settings
) -> None:
    async with limited(client, own_settings, micro_dollars=1_000_000):
        result = await platform.ask(QUESTION)
    assert result.spent.input_tokens == INPUT_TOKENS
    assert await daily_window(own_settings) == (Window(settled=result.spent), ())


async def test_a_run_for_which_the_day_has_too_little_left_is_exhausted_and_calls_nobody(
    client: Client, platform: Platform, own_settings: Settings, stub: StubModel
) -> None:
    async with limited(client, own_settings, micro_dollars=1):
        result = await platform.ask(QUESTION)
    outcome = result.outcome
    assert isinstance(outcome, Exhausted)
    assert outcome.limit == "daily_micro_dollars"
    assert outcome.needed.micro_dollars > 1
    assert outcome.reserved == Spend()
    assert outcome.window is not None
    assert (outcome.window.tenant, outcome.window.most) == ("default", 1)
    assert "of 1 micro_dollars, 0 are settled and 0 reserved, which leaves 1" in outcome.reason
    assert stub.calls == 0
    assert result.spent.micro_dollars == result.unsettled.micro_dollars == 0
    assert await daily_window(own_settings) == (Window(), ())


async def test_an_extraction_is_held_to_the_day_too(
    client: Client, platform: Platform, own_settings: Settings, stub: StubModel
) -> None:
    async with limited(client, own_settings, steps=0):
        result = await platform.extract(INVOICE, schema="invoice")
    assert isinstance(result.outcome, Exhausted)
    assert result.outcome.limit == "daily_steps"
    assert stub.calls == 0


async def test_of_two_runs_that_together_would_break_the_limit_one_is_exhausted(
    client: Client, platform: Platform, own_settings: Settings, stub: StubModel
) -> None:
    stub.script = ["hang", "answer"]
    async with limited(client, own_settings, steps=1):
        names = [await platform.start(QUESTION) for _ in range(2)]
        results = {name: asyncio.create_task(platform.result(name)) for name in names}
        [first], _ = await asyncio.wait(results.values(), return_when=asyncio.FIRST_COMPLETED)
        exhausted = first.result().outcome
        assert isinstance(exhausted, Exhausted)
        assert (exhausted.limit, exhausted.needed.steps, exhausted.reserved.steps) == ("daily_steps", 1, 1)
        [(winner, second)] = [(name, task) for name, task in results.items() if task is not first]
        await platform.cancel(winner)
        assert isinstance((await second).outcome, Cancelled)
    assert stub.calls == 1
    # The cost of a call that was cut off is unknown, so the daily window keeps all of it reserved.
    window, [reservation] = await daily_window(own_settings)
    assert window == Window(reserved=reservation.amount)
    assert reservation.key.workflow_id == f"default:{winner}"
    assert reservation.key.name == "generate/1"


async def test_of_many_runs_at_once_as_many_are_served_as_the_day_has_room_for(
    client: Client, platform: Platform, own_settings: Settings, stub: StubModel
) -> None:
    async with limited(client, own_settings, steps=3):
        results = await asyncio.gather(*(platform.ask(QUESTION) for _ in range(8)))
    kinds = [type(result.outcome) for result in results]
    assert (kinds.count(Answered), kinds.count(Exhausted)) == (3, 5)
    assert stub.calls == 3
    window, still_open = await daily_window(own_settings)
    assert (window.settled.steps, window.settled.output_tokens) == (3, 3 * OUTPUT_TOKENS)
    assert still_open == ()


async def test_what_is_free_is_given_back_and_what_may_have_cost_stays_reserved(
    client: Client, platform: Platform, own_settings: Settings, stub: StubModel
) -> None:
    stub.script = ["503", "500", "answer"]
    async with limited(client, own_settings, steps=2):
        result = await platform.ask(QUESTION)
    assert isinstance(result.outcome, Answered)
    assert stub.calls == 3
    window, [reservation] = await daily_window(own_settings)
    assert reservation.key.name == "generate/2"
    assert window == Window(settled=price(result), reserved=result.unsettled)


async def test_a_run_of_which_the_day_covers_only_the_first_attempt_is_exhausted_at_the_second(
    client: Client, platform: Platform, own_settings: Settings, stub: StubModel
) -> None:
    stub.script = ["500", "answer"]
    async with limited(client, own_settings, steps=1):
        result = await platform.ask(QUESTION)
    assert isinstance(result.outcome, Exhausted)
    assert result.outcome.reserved.steps == 1
    assert stub.calls == 1
    assert result.unsettled.micro_dollars > 0
