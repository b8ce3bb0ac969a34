"""A paid call reserves a part of its tenant's day before it is sent, and is settled there with its outcome."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from activities.adapters.databases.sqlite_database import open_sqlite
from activities.adapters.sql.accounts import SqlAccounts
from activities.adapters.sql.budget_windows import SqlBudgetWindows
from activities.adapters.sql.paid_replies import SqlPaidReplies
from activities.adapters.sql.runs import SqlRuns
from activities.adapters.tokens.open import open_token_log
from activities.authorization.rights import Rights
from activities.paid.purchasing import Call, Purchasing
from activities.ports import (
    BudgetWindows,
    Message,
    ModelFailed,
    ModelOverloaded,
    NotThisRun,
    PortError,
    Prompt,
    PromptTooLarge,
    Sampling,
    WindowSpent,
)
from activities.settings import Paths, Settings
from perdure.contracts.budget import Budget, Spend
from perdure.contracts.chains.spec import Deployment, Prices
from perdure.contracts.chains.steps import RecordRead, StepKey
from perdure.contracts.text import Text
from perdure.contracts.windows import Account, Window, WindowKey, WindowLimit, day_of
from tests.ports.models.model_cases import ASK, catalogue, model_for
from tests.support.servers.stub_model import INPUT_TOKENS, OUTPUT_TOKENS, StubModel
from tests.support.stores.orders import QUESTION, run_of
from tests.support.stores.registered import StubExecutions, environment_of

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
PRICED = {"prices": "{ input = 1000000, output = 2000000 }"}
BUDGET = Budget(steps=100, micro_dollars=10**6)
SILENT = RecordRead(said=Text.of(""), model="", finish_reason="stopped", prompt_digest="0" * 64, charges={})


class Shop(NamedTuple):
    """The purchasing under test, and the stores that record its calls."""

    purchasing: Purchasing
    windows: BudgetWindows
    accounts: SqlAccounts
    executions: StubExecutions
    dearer: list[Spend]
    """The costs of calls that cost more than was reserved."""
    day: date

    async def buy(
        self,
        attempt: int,
        step: str = KEY.step,
        *,
        question: str = QUESTION,
        prompt: Prompt = ASK,
        worst: Spend = WORST,
        execution: str = "",
        foreign: StepKey | None = None,
    ) -> RecordRead:
        call = Call(
            key=foreign or KEY.model_copy(update={"step": step}),
            attempt=attempt,
            question=question,
            deployment=FAST.priced,
            prompt=prompt,
            sampling=Sampling(max_output_tokens=worst.output_tokens),
            worst=worst,
            read=lambda completion: SILENT.model_copy(update={"said": Text.of(completion.content)}),
            stopped_reply=SILENT,
        )
        return await environment_of(KEY, execution).run(self.purchasing.buy, call)

    async def account(self) -> Account:
        account = await self.accounts.look(KEY.tenant, KEY.run_id)
        assert account is not None
        return account

    async def stands(self) -> Window:
        return await self.windows.look(KEY.tenant, self.day)


@pytest_asyncio.fixture(loop_scope="session")
async def shop(tmp_path: Path, stub: StubModel) -> AsyncIterator[Shop]:
    day = day_of(datetime.now(UTC))
    async with AsyncExitStack() as stack:
        database = open_sqlite(tmp_path / "perdure.db")
        stack.push_async_callback(database.dispose)
        log = await stack.enter_async_context(open_token_log(Settings(paths=Paths(state=tmp_path))))
        replies = SqlPaidReplies(database, {"acme": WindowLimit(steps=2)}.get)
        runs = SqlRuns(database)
        await runs.register(run_of(KEY, BUDGET))
        dearer: list[Spend] = []
        executions = StubExecutions(KEY)
        model = model_for(tmp_path, stub.url)
        purchasing = Purchasing(
            model,
            replies,
            rights=Rights(runs, executions),
            catalogue=catalogue(tmp_path, stub.url, **PRICED),
            log=log,
            lost=lambda _key, _attempt, _error: None,
            overspent=lambda _key, charge, _worst: dearer.append(charge),
        )
        yield Shop(purchasing, SqlBudgetWindows(database), SqlAccounts(database), executions, dearer, day)


async def test_a_reply_is_settled_at_what_it_cost(shop: Shop) -> None:
    assert (await shop.buy(1)).charges == {1: COST}
    assert await shop.stands() == Window(settled=COST)
    assert await shop.account() == Account(budget=BUDGET, settled=COST)


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
    reserved = Spend() if error.free_of_charge else WORST
    assert await shop.stands() == Window(reserved=reserved)
    assert await shop.account() == Account(budget=BUDGET, reserved=reserved)


async def test_a_saved_reply_is_found_by_the_next_attempt_which_buys_nothing(shop: Shop, stub: StubModel) -> None:
    await shop.buy(1)
    assert (await shop.buy(2)).charges == {1: COST, 2: Spend()}
    assert await shop.account() == Account(budget=BUDGET, settled=COST)
    assert stub.calls == 1


async def test_a_lost_attempt_stays_reserved_beside_the_one_that_replies(shop: Shop, stub: StubModel) -> None:
    stub.script = ["drop"]
    with pytest.raises(ModelFailed):
        await shop.buy(1)
    await shop.buy(2)
    assert await shop.stands() == Window(settled=COST, reserved=WORST)
    with pytest.raises(WindowSpent):
        await shop.buy(1, "extract-repair-1")
    assert stub.calls == 2


async def test_an_attempt_that_a_reset_makes_again_never_shares_a_reservation(shop: Shop, stub: StubModel) -> None:
    stub.script = ["drop"] * 3
    for _ in range(2):
        with pytest.raises(ModelFailed):
            await shop.buy(1)
    with pytest.raises(WindowSpent):
        await shop.buy(1)
    assert stub.calls == 2
    assert await shop.account() == Account(budget=BUDGET, reserved=WORST + WORST)


async def test_neither_a_fallback_nor_another_way_to_write_a_request_buys_the_same_question_twice(
    shop: Shop, stub: StubModel
) -> None:
    first = await shop.buy(1)
    other = Prompt([Message("user", "The same question in a new edition's words.")])
    assert (await shop.buy(2, prompt=other)).said == first.said
    assert stub.calls == 1


async def test_another_question_under_the_same_step_is_bought_anew(shop: Shop, stub: StubModel) -> None:
    await shop.buy(1)
    await shop.buy(1, question="b" * 64)
    assert stub.calls == 2
    assert await shop.account() == Account(budget=BUDGET, settled=COST + COST)


async def test_a_prompt_above_its_reservation_is_refused_and_costs_nothing(shop: Shop, stub: StubModel) -> None:
    small = Spend(steps=1, input_tokens=10, output_tokens=50)
    with pytest.raises(PromptTooLarge, match=r"the prompt has [\d,]+ bytes, and 10 tokens are reserved") as refusal:
        await shop.buy(1, worst=small)
    assert refusal.value.free_of_charge
    assert stub.calls == 0
    assert await shop.account() == Account(budget=BUDGET)


async def test_the_money_of_a_reservation_is_computed_and_never_taken_from_the_request(shop: Shop) -> None:
    free = Spend(input_tokens=WORST.input_tokens, output_tokens=WORST.output_tokens)
    await shop.buy(1, worst=free)
    assert await shop.account() == Account(budget=BUDGET, settled=COST)
    assert shop.dearer == []


async def test_a_call_that_cost_more_than_was_reserved_raises_an_alert_and_is_told(shop: Shop) -> None:
    tight = Spend(steps=1, input_tokens=INPUT_TOKENS - 1, output_tokens=500)
    reply = await shop.buy(1, worst=tight, prompt=Prompt([Message("user", "Hi")]))
    assert shop.dearer == [COST]
    assert reply.notice.startswith("extract cost more than was reserved for it")
    assert await shop.account() == Account(budget=BUDGET, settled=COST)


@pytest.mark.parametrize(
    ("reported", "tokens", "notice"),
    [
        ({"prompt_tokens": 0, "completion_tokens": 2}, (0, 2), ""),
        ({"prompt_tokens": 120, "completion_tokens": None}, (120, 500), "did not report the output tokens"),
        (None, (2000, 500), "did not report the input tokens and did not report the output tokens"),
        ({"prompt_tokens": -5, "completion_tokens": 2}, (2000, 2), "reported prompt_tokens = -5"),
        ({"prompt_tokens": 9, "completion_tokens": 10**15}, (9, 500), "reported 1,000,000,000,000,000 output tokens"),
        ({"prompt_tokens": 9, "completion_tokens": float("inf")}, (9, 500), "reported completion_tokens = inf"),
    ],
)
async def test_usage_that_is_missing_or_cannot_be_is_charged_at_its_worst_case_and_noticed(
    shop: Shop, stub: StubModel, reported: dict[str, Any] | None, tokens: tuple[int, int], notice: str
) -> None:
    choice = {"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}
    stub.script = [{"sse": [json.dumps({"choices": [choice], "usage": reported})]}]
    reply = await shop.buy(1)
    price = FAST.prices.of(input_tokens=tokens[0], output_tokens=tokens[1])
    charge = Spend(steps=1, input_tokens=tokens[0], output_tokens=tokens[1], micro_dollars=price)
    assert reply.charges == {1: charge}
    assert await shop.account() == Account(budget=BUDGET, settled=charge)
    assert notice in reply.notice
    assert bool(reply.notice) == bool(notice)
    assert shop.dearer == [], "what was reserved was enough"


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ({"workflow_id": "acme:two"}, "'acme:one' asks"),
        ({"run_id": "another"}, "the run that asks is"),
        ({"tenant": "globex"}, "is not registered"),
    ],
)
async def test_a_run_buys_on_no_other_runs_account(shop: Shop, stub: StubModel, key: dict[str, str], why: str) -> None:
    with pytest.raises(NotThisRun, match=why):
        await shop.buy(1, foreign=KEY.model_copy(update=key))
    assert stub.calls == 0


async def test_the_server_is_asked_once_for_each_execution(shop: Shop) -> None:
    for attempt, execution in enumerate(("first", "first", "reset", "reset"), start=1):
        await shop.buy(attempt, execution=execution)
    assert shop.executions.looks == 2


def shop_key(shop: Shop, name: str) -> WindowKey:
    """Return the reservation of an attempt on the shop's day."""
    return WindowKey(tenant=KEY.tenant, day=shop.day, workflow_id=KEY.workflow_id, run_id=KEY.run_id, name=name)
