"""The pages of a continued run in the Temporal UI: those of its past executions and that of the latest one."""

import pytest
from temporalio.client import Client

from perdure.client import Platform
from perdure.contracts.budget import Budget
from perdure.runs import workflow_id
from tests.support.runs.agent_runs import SUM, answer, calls
from tests.support.servers.stub_model import StubModel
from workflows.run.timeline import SHOWN, newest

BUDGET = Budget(steps=60, tool_calls=60, input_tokens=10**7, output_tokens=10**6, micro_dollars=10**7)


async def page(client: Client, run: str, execution: str) -> str:
    handle = client.get_workflow_handle(workflow_id("default", run), run_id=execution)
    return str((await handle.query("__temporal_workflow_metadata")).current_details)


@pytest.mark.usefixtures("working")
async def test_a_past_execution_sends_its_reader_on_and_the_latest_tells_each_day_once(
    platform: Platform, client: Client, stub: StubModel
) -> None:
    stub.script = [*(calls(SUM) for _ in range(30)), answer()]
    result = await platform.run_agent("Do much.", agent="tester", business_id="pages", budget=BUDGET)
    first, *_, last = [execution.run_id for execution in await platform.executions("pages")]
    past_page, latest_page = await page(client, "pages", first), await page(client, "pages", last)
    assert past_page.startswith("**continued** as execution 2 of this run")
    assert "acting** since" not in past_page
    assert latest_page.startswith("**answered**\n")
    lines = [line for line in latest_page.splitlines() if line.startswith("| ")]
    assert " earlier lines*" in lines[1]
    days = [line for line in lines if line.startswith("| | 2")]
    assert days[0] == lines[2], "also the day of the oldest line that is shown"
    assert len(days) == len(set(days))
    assert result.spent.steps == 31


def test_the_day_of_the_oldest_line_is_kept_and_counted_as_no_line() -> None:
    lines, left_out = newest(["| | 2026-01-02 | |", *(f"| line {number} |" for number in range(SHOWN + 3))])
    assert left_out == 3
    assert lines[:2] == ["| | 2026-01-02 | |", "| line 3 |"]
    assert newest(lines) == (lines, 0), "a second pass changes nothing"
    lines, left_out = newest([*lines, "| | 2026-01-03 | |", "| line |"])
    assert left_out == 2
    assert lines[:2] == ["| | 2026-01-02 | |", "| line 5 |"]


def test_a_short_run_shows_all_its_lines() -> None:
    assert newest(["| | 2026-01-02 | |", "| line |"]) == (["| | 2026-01-02 | |", "| line |"], 0)
