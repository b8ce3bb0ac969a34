"""A run that was reset reports what its history knows it spent and what its account holds; any other one figure."""

import random
from collections.abc import AsyncIterator
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import ResetReapplyType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.testing import WorkflowEnvironment

from activities.adapters.databases.open import open_database
from activities.adapters.sql.accounts import SqlAccounts
from activities.settings import Settings, Tools
from deploy.local.stack.desk import DeskServer
from perdure.cli import render
from perdure.cli.output import Output
from perdure.client import Platform
from perdure.contracts.budget import NOTHING, Allowance, Budget, Charged, Spend
from perdure.contracts.runs.run import Answered, Cancelled, Exhausted, RunResult
from perdure.contracts.tool_calls.decisions import Ruling
from perdure.contracts.windows import Account
from perdure.errors import RunFailed
from perdure.runs import workflow_id
from tests.support.runs.agent_runs import MESSAGE, SUM, answer, calls, says, waits, with_agents, write_agent
from tests.support.servers.stub_model import StubModel
from tests.support.waiting import until

OTHERS = {"to": "facilities", "text": "Twenty weeks."}


@pytest.fixture
def settings(settings: Settings, desk: DeskServer, tmp_path: Path) -> Settings:
    write_agent(tmp_path)
    return with_agents(settings, tmp_path, tools=Tools(services={"desk": desk.url}))


@pytest.fixture
async def real_time(environment: WorkflowEnvironment) -> AsyncIterator[None]:
    """Stop time skipping: it would let the policy of a waiting run decide at once."""
    with environment.with_time_skipping_disabled():
        yield


async def first_id(client: Client, run: str) -> str:
    """Return the id of a run's first execution, which is the key of its account."""
    return (await client.get_workflow_handle(workflow_id("default", run)).describe()).run_id


async def account_of(settings: Settings, first: str) -> Account:
    async with open_database(settings) as database:
        account = await SqlAccounts(database).look("default", first)
    assert account is not None
    return account


async def reset(client: Client, run: str) -> None:
    """Reset a run to its first workflow task, without sending its signals and updates again."""
    handle = client.get_workflow_handle(workflow_id("default", run))
    events = [event async for event in handle.fetch_history_events()]
    event_id = next(event.event_id for event in events if event.HasField("workflow_task_completed_event_attributes"))
    await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=(await handle.describe()).run_id),
            reason="a test",
            workflow_task_finish_event_id=event_id,
            request_id=f"{run}-{random.random()}",  # noqa: S311 - a name
            reset_reapply_type=ResetReapplyType.RESET_REAPPLY_TYPE_NONE,
        )
    )

    async def restarted() -> bool:
        return (await handle.describe()).status is WorkflowExecutionStatus.RUNNING

    await until(restarted, what="the run begins anew")


async def page(client: Client, run: str) -> str:
    metadata = await client.get_workflow_handle(workflow_id("default", run)).query("__temporal_workflow_metadata")
    return str(metadata.current_details)


def printed(result: RunResult, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what the command line prints about a result besides the answer."""
    capsys.readouterr()
    render.result(Output(as_json=False), result, "")
    return capsys.readouterr().err


@pytest.mark.usefixtures("real_time")
async def test_a_run_that_is_reset_says_its_historys_share_and_what_its_account_holds(
    working: Settings, platform: Platform, client: Client, stub: StubModel, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.script = [calls(MESSAGE), answer("Sent."), answer("Sent before.")]
    run = await platform.start_agent("Tell them.", agent="tester")
    first_run_id = await first_id(client, run)
    [step] = await waits(platform, run)
    await platform.decide(run, says(step, Ruling.APPROVE))
    before = await platform.result(run)
    row = await account_of(working, first_run_id)
    assert (before.spent, before.unsettled, before.account) == (row.settled, NOTHING, None)
    assert "whole run" not in await page(client, run) + printed(before, capsys)

    await reset(client, run)
    [step] = await waits(platform, run)
    await platform.decide(run, says(step, Ruling.APPROVE, arguments=OTHERS))
    after = await platform.result(run)
    row = await account_of(working, first_run_id)
    assert stub.calls == 3, "the first thought was saved, and the last one asks something else"
    assert (after.spent.steps, row.settled.steps) == (2, 3)
    assert after.account == Charged(settled=row.settled, reserved=row.reserved)
    assert "**The whole run**, what was before a reset included: 0.00" in await page(client, run)
    assert f"account  {row.settled.input_tokens} + {row.settled.output_tokens} tokens" in printed(after, capsys)


async def test_a_run_that_is_reset_and_pays_for_nothing_twice_says_one_figure(
    working: Settings, platform: Platform, client: Client, stub: StubModel
) -> None:
    stub.script = [answer("Done.")]
    run = await platform.start_agent("What?", agent="tester")
    first_run_id = await first_id(client, run)
    await platform.result(run)
    await reset(client, run)
    result = await platform.result(run)
    row = await account_of(working, first_run_id)
    assert (result.spent, result.account, stub.calls) == (row.settled, None, 1)
    assert "whole run" not in await page(client, run)


async def test_a_reset_run_says_what_tools_cost_before_the_reset(
    working: Settings, platform: Platform, client: Client, stub: StubModel
) -> None:
    stub.script = [calls(SUM, SUM), answer("42.")]
    run = await platform.start_agent("Reckon.", agent="tester")
    first_run_id = await first_id(client, run)
    await platform.result(run)
    await reset(client, run)
    result = await platform.result(run)
    row = await account_of(working, first_run_id)
    assert (result.spent.tool_calls, row.settled.tool_calls) == (2, 4)
    assert result.account == Charged(settled=row.settled, reserved=row.reserved)


async def test_a_reset_run_that_its_account_stops_says_what_that_holds(
    working: Settings, platform: Platform, client: Client, stub: StubModel
) -> None:
    stub.script = [calls(SUM), answer("42.")]
    run = await platform.start_agent("Reckon.", agent="tester", budget=Budget(steps=9, tool_calls=1))
    first_run_id = await first_id(client, run)
    await platform.result(run)
    await reset(client, run)
    result = await platform.result(run)
    row = await account_of(working, first_run_id)
    assert isinstance(result.outcome, Exhausted)
    assert result.spent.tool_calls == 0
    assert result.account == Charged(settled=row.settled, reserved=row.reserved)


async def test_a_retried_run_says_what_the_attempts_that_failed_before_may_have_cost(
    working: Settings, platform: Platform, client: Client, stub: StubModel
) -> None:
    stub.script = ["cut", "cut", "cut", answer("At last.")]
    run = await platform.start_agent("What?", agent="tester")
    first_run_id = await first_id(client, run)
    with pytest.raises(RunFailed) as failure:
        await platform.result(run)
    assert failure.value.how is not None
    assert failure.value.how.account is None
    await platform.retry(run)
    result = await platform.result(run)
    row = await account_of(working, first_run_id)
    assert isinstance(result.outcome, Answered)
    assert result.unsettled == NOTHING
    assert row.reserved.steps == 3
    assert result.account == Charged(settled=row.settled, reserved=row.reserved)


@pytest.mark.usefixtures("real_time")
async def test_a_run_that_is_cancelled_after_a_reset_says_what_it_has_heard_of_its_account(
    working: Settings, platform: Platform, client: Client, stub: StubModel
) -> None:
    stub.script = [calls(MESSAGE), answer("Sent.")]
    run = await platform.start_agent("Tell them.", agent="tester")
    first_run_id = await first_id(client, run)
    [step] = await waits(platform, run)
    await platform.decide(run, says(step, Ruling.APPROVE))
    await platform.result(run)
    await reset(client, run)
    await waits(platform, run)
    await platform.cancel(run)
    result = await platform.result(run)
    row = await account_of(working, first_run_id)
    assert isinstance(result.outcome, Cancelled)
    assert result.spent.steps == 1
    assert result.account == Charged(settled=row.settled, reserved=row.reserved)


AMOUNTS = st.builds(Spend, steps=st.integers(0, 3), micro_dollars=st.integers(0, 3))


@given(st.lists(AMOUNTS, min_size=1, max_size=5), st.integers())
def test_the_newest_state_of_an_account_is_kept_in_whatever_order_replies_come(charges: list[Spend], seed: int) -> None:
    states = [Charged(settled=settled) for settled in accumulate(charges)]
    newest: Charged | None = None
    for state in random.Random(seed).sample(states, len(states)):  # noqa: S311 - an order
        newest = state.after(newest)
    assert newest == states[-1]


@given(AMOUNTS, AMOUNTS, AMOUNTS)
def test_an_account_is_told_where_it_holds_more_than_a_history_knows_of_and_only_there(
    settled: Spend, held: Spend, more: Spend
) -> None:
    allowance = Allowance(budget=Budget(), settled=settled, open={"think-1/1": held})
    equal = Charged(settled=settled, reserved=held)
    assert equal.beyond(allowance) is None
    for charged in (
        Charged(settled=settled + more, reserved=held),
        Charged(settled=settled, reserved=held + more),
    ):
        assert (charged.beyond(allowance) == charged) is (more != NOTHING)
