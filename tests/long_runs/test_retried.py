"""A continued run that failed in a later execution goes on in that execution when it is retried."""

import pytest

from deploy.local.stack.desk import Desk
from perdure.client import Platform
from perdure.contracts.budget import Budget, Spend
from perdure.contracts.runs.run import Answered
from perdure.contracts.runs.timeline import EntryKind
from perdure.errors import RunFailed
from tests.support.runs.agent_runs import SUM, TICKET, answer, calls
from tests.support.servers.stub_model import StubModel

pytestmark = pytest.mark.usefixtures("working")

TURNS = 14

BUDGET = Budget(steps=60, tool_calls=60, input_tokens=10**7, output_tokens=10**6, micro_dollars=10**7)


async def test_a_continued_run_is_retried_from_its_last_execution_and_told_as_one(
    platform: Platform, stub: StubModel, received: Desk
) -> None:
    turns = [calls(TICKET if turn % 3 == 0 else SUM) for turn in range(TURNS)]
    stub.script = [*turns, "500", "500", "500", answer("All is done.")]
    run = await platform.start_agent("Do much.", agent="tester", business_id="failed-late", budget=BUDGET)
    with pytest.raises(RunFailed):
        await platform.result(run)
    executions_before = await platform.executions(run)
    assert len(executions_before) >= 2
    assert (await platform.retry(run)).again == (f"think think-{TURNS + 1}",)
    result = await platform.result(run)
    assert isinstance(result.outcome, Answered)
    executions_after = await platform.executions(run)
    # It may continue in another execution, since its history is long.
    past_count = len(executions_before) - 1
    assert [execution.run_id for execution in executions_after[:past_count]] == [
        execution.run_id for execution in executions_before[:past_count]
    ]
    assert stub.calls == TURNS + 4
    assert list(received.received()["tickets"].values()) == [1] * 5
    assert len(stub.requests[-1]["messages"]) == 2 + 2 * TURNS, "the model is shown the whole conversation"
    timeline = [entry async for entry in platform.timeline(run)]
    steps = [entry.summary.split()[0] for entry in timeline if entry.name == "think" and entry.began]
    assert steps == [f"think-{number}" for number in range(1, TURNS + 2)]
    assert [entry.name for entry in timeline if entry.kind is EntryKind.BEGAN] == ["agent"]
    assert result.spent == sum((entry.spent for entry in timeline if entry.spent), Spend())
