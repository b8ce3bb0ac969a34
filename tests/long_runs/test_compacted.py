"""A run that continues in a new execution keeps its summaries and its count of the context window."""

from pathlib import Path

import pytest

from activities.settings import Settings
from perdure.client import Platform
from perdure.contracts.budget import Budget, Spend
from perdure.contracts.runs.run import Answered, Stuck
from tests.support.runs.agent_runs import BRIEF, LONG, READS, SUM, answer, calls, write_agent
from tests.support.servers.stub_model import StubModel

pytestmark = pytest.mark.usefixtures("working")

BUDGET = Budget(steps=60, tool_calls=60, input_tokens=10**7, output_tokens=10**6, micro_dollars=10**7)


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    write_agent(tmp_path, "brief", READS, BRIEF)
    write_agent(tmp_path, "patient", READS, BRIEF, loops="told = 14\nstuck = 16")
    return settings


async def test_summaries_outlive_the_execution_in_which_they_were_made(platform: Platform, stub: StubModel) -> None:
    turn, long = calls(SUM), calls(SUM) | LONG
    early, late = [turn, turn, turn, long, answer("First.")], [*[turn] * 8, long, answer("Second.")]
    stub.script = [*early, *late, *[turn] * 4, answer("All is done.")]
    result = await platform.run_agent("Do much.", agent="brief", business_id="summed-up", budget=BUDGET)
    assert isinstance(result.outcome, Answered)
    assert result.outcome.answer.body == "All is done."
    assert len(await platform.executions("summed-up")) >= 3
    assert (result.spent.steps, result.unsettled) == (len(early) + len(late) + 5, Spend())
    request = stub.requests[len(early) + len(late) - 1]
    assert "First." in str(request["messages"]), "the later summary covers the earlier one"
    _, task, summary, *rest = stub.requests[-1]["messages"]
    assert "Do much." in str(task)
    assert "Second." in str(summary)
    assert "First." not in str(stub.requests[-1]["messages"])
    assert len(rest) == 2 * 5, "turns after the summary stay word for word"


async def test_a_loop_is_counted_across_summaries_and_executions(platform: Platform, stub: StubModel) -> None:
    turn, long = calls(SUM), calls(SUM) | LONG
    stub.script = [*[turn] * 3, long, answer("Summed up."), *[turn] * 30]
    result = await platform.run_agent("Do much.", agent="patient", business_id="in-a-loop", budget=BUDGET)
    assert isinstance(result.outcome, Stuck)
    assert (result.outcome.repeated.times, result.outcome.repeated.steps[-1]) == (16, "call-16-1")
    assert len(await platform.executions("in-a-loop")) >= 2
    assert "Summed up." in str(stub.requests[-1]["messages"])
    assert "15 times" in str(stub.requests[-1]["messages"][-1])
