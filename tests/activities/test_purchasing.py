"""A paid call is set aside of its tenant's day before it is sent, and what became of it is settled there."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
import pytest_asyncio
from activities.daily import DailyWindows
from temporalio.testing import ActivityEnvironment

from activities.adapters.sql_budget_windows import SqlBudgetWindows
from activities.adapters.sql_paid_replies import SqlPaidReplies
from activities.adapters.sqlite_database import open_sqlite
from activities.adapters.token_logs import open_token_log
from activities.ports import BudgetWindows, ModelFailed, ModelOverloaded, PaidReplies, PortError, Sampling, WindowSpent
from activities.purchasing import Call, Purchasing
from activities.settings import Paths, Settings
from perdure.contracts.budget import Spend
from perdure.contracts.spec import Deployment, Prices
from perdure.contracts.steps import Extracted, StepKey
from perdure.contracts.text import Text
from perdure.contracts.windows import Window, WindowKey, WindowLimit, day_of
from tests.contracts.ports.model_cases import ASK, model_for
from tests.support.stub_model import INPUT_TOKENS, OUTPUT_TOKENS, StubModel

KEY = StepKey(tenant="acme", workflow_id="acme:one", run_id="run-one", step="extract")
FAST = Deployment(
    name="fast", tier="fast", task_queue="fast", context_window=4096, prices=Prices(input=1_000_000, output=2_000_000)
)
WORST = Spend(steps=1, input_tokens=2000, output_tokens=500, micro_dollars=3000)
COST = Spend(
    steps=1,
    input_tokens=INPUT_TOKENS,
    output_tokens=OUTPUT_TOKENS,
    micro_dollars=FAST.prices.of(input_tokens=INPUT_TOKENS, output_tokens=OUTPUT_TOKENS),
)
SILENT = Extracted(said=Text.of(""), model="", finish_reason="stopped", prompt_digest="0" * 64, charges={})


class Shop(NamedTuple):
    """Where calls are bought, and what is known of them."""

    purchasing: Purchasing
    windows: BudgetWindows
    replies: PaidReplies
    day: date

    async def buy(self, attempt: int, step: str = KEY.step) -> Extracted:
        call = Call(
            key=KEY.model_copy(update={"step": step}),
            attempt=attempt,
            deployment=FAST.priced,
            prompt=ASK,
            sampling=Sampling(max_output_tokens=WORST.output_tokens),
            worst=WORST,
            read=lambda completion: SILENT.model_copy(update={"said": Text.of(completion.content)}),
            silent=SILENT,
        )
        return await ActivityEnvironment().run(self.purchasing.buy, call)

    async def stands(self) -> Window:
        return await self.windows.look(KEY.tenant, self.day)


@pytest_asyncio.fixture(loop_scope="session")
async def shop(tmp_path: Path, stub: StubModel) -> AsyncIterator[Shop]:
    day = day_of(datetime.now(UTC))
    async with AsyncExitStack() as stack:
        database = open_sqlite(tmp_path / "perdure.db")
        stack.push_async_callback(database.dispose)
        log = await stack.enter_async_context(open_token_log(Settings(paths=Paths(state=tmp_path))))
        windows, replies = SqlBudgetWindows(database), SqlPaidReplies(database)
        days = DailyWindows(windows, {"acme": WindowLimit(steps=2)}.get, lambda: day)
        purchasing = Purchasing(model_for(tmp_path, stub.url), replies, days, log, lambda _key, _attempt, _error: None)
        yield Shop(purchasing, windows, replies, day)


async def test_a_reply_is_settled_at_what_it_cost(shop: Shop) -> None:
    assert (await shop.buy(1)).charges == {1: COST}
    assert await shop.stands() == Window(settled=COST)


async def test_what_is_bought_is_reserved_before_the_model_hears_of_it(shop: Shop, stub: StubModel) -> None:
    for attempt in (1, 2):
        await shop.windows.reserve(shop_key(shop, f"another/{attempt}"), WORST, WindowLimit())
    with pytest.raises(WindowSpent, match="of 2 steps, 0 are settled and 2 reserved, which leaves 0"):
        await shop.buy(1)
    assert stub.calls == 0


@pytest.mark.parametrize(("meets", "error"), [("503", ModelOverloaded), ("500", ModelFailed), ("drop", ModelFailed)])
async def test_only_what_is_known_to_have_cost_nothing_is_given_back(
    shop: Shop, stub: StubModel, meets: str, error: type[PortError]
) -> None:
    stub.script = [meets]
    with pytest.raises(error):
        await shop.buy(1)
    assert await shop.stands() == (Window() if error.free_of_charge else Window(reserved=WORST))


async def test_a_saved_reply_settles_the_attempt_that_died_before_it_could(shop: Shop, stub: StubModel) -> None:
    # As a worker leaves it that is killed between the two.
    await shop.replies.begin(KEY, 1, Extracted)
    await shop.windows.reserve(shop_key(shop, "extract/1"), WORST, WindowLimit())
    await shop.replies.save(KEY, 1, SILENT, COST)
    assert await shop.stands() == Window(reserved=WORST)
    assert (await shop.buy(2)).charges == {1: COST, 2: Spend()}
    assert await shop.stands() == Window(settled=COST)
    assert stub.calls == 0


async def test_a_lost_attempt_stays_reserved_beside_the_one_that_replies(shop: Shop, stub: StubModel) -> None:
    stub.script = ["drop"]
    with pytest.raises(ModelFailed):
        await shop.buy(1)
    await shop.buy(2)
    assert await shop.stands() == Window(settled=COST, reserved=WORST)
    with pytest.raises(WindowSpent):
        await shop.buy(1, "extract-repair-1")
    assert stub.calls == 2


def shop_key(shop: Shop, name: str) -> WindowKey:
    """A reservation on the shop's day."""
    return WindowKey(tenant=KEY.tenant, day=shop.day, workflow_id=KEY.workflow_id, run_id=KEY.run_id, name=name)
