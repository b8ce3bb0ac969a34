"""Under `make up` every part that is killed is named at once and comes back, and a run in flight is answered."""

import time
from pathlib import Path

import httpx
import pytest

from perdure.client import Platform
from perdure.contracts.runs.run import Answered
from tests.support.processes.command_up import PARTS, GatedStub, command_up, result_of
from tests.support.runs.agent_runs import write_agent
from tests.support.waiting import until

TOOL = """\
from tools.base import ToolArguments, ToolContext, ToolEffect, tool


class Trip(ToolArguments):
    kilometres: float


@tool(ToolEffect.READ_ONLY)
async def mileage(context: ToolContext, trip: Trip) -> str:
    \"\"\"Work out the refund for a trip with a private car, both ways.\"\"\"
    return f"{2 * trip.kilometres * 0.35:.2f} euros"
"""

SMALLEST = ("smollm2-135m", 256)


@pytest.mark.timeout(900)
async def test_a_run_in_flight_is_answered_although_each_part_is_killed_once_and_the_worker_is_replaced(
    tmp_path: Path, state: Path
) -> None:
    own_state, project = tmp_path / "state", tmp_path / "project"
    own_state.mkdir()
    (own_state / "index").symlink_to(state / "index")
    (project / "agents").mkdir(parents=True)
    write_agent(project / "agents", tools=("create_ticket",))
    stub = GatedStub(turns=len(PARTS))
    with stub, command_up(own_state, project, weights=SMALLEST, stub=stub.url) as up:
        await up.printed("Ctrl-C stops it", 0)
        assert "perdure ask" not in up.output, "the collection has other documents, which do not answer the question"
        before = up.addresses
        async with await Platform.connect(before.temporal) as platform:
            await platform.start_agent("Open the tickets.", agent="tester", business_id="in-flight")
            for turn, part in enumerate(PARTS):
                await until(lambda asked=turn: asked in stub.asked, what=f"turn {turn} is asked for", seconds=180)
                moment = up.kill(part)
                await up.printed(rf"{part} ended by itself with exit code -9 \(killed by SIGKILL\); its log: /", moment)
                await up.printed(rf"{part} is ready again", moment)
                assert up.addresses == before
                stub.opened = turn + 1
            await until(lambda: len(PARTS) in stub.asked, what="the last turn is asked for", seconds=180)
            moment = time.monotonic()
            (project / "tools" / "mileage.py").write_text(TOOL)
            write_agent(project / "agents", "clerk", tools=("mileage",))
            await up.printed(r"changed: .*mileage.py; a new worker is starting with it", moment)
            await up.printed(r"the new worker is ready", moment)
            stub.opened += 1
            result = await result_of(platform, "in-flight")
            await platform.start_agent("Work it out.", agent="clerk", business_id="new-tool")
            with_new_tool = await result_of(platform, "new-tool")
        assert isinstance(with_new_tool.outcome, Answered), "the worker has the tool that its agent is granted"
        assert isinstance(result.outcome, Answered)
        assert result.outcome.answer.body == "It is done."
        async with httpx.AsyncClient(trust_env=False) as client:
            received = (await client.get(f"{before.desk}/received")).json()["tickets"]
        assert list(received.values()) == [1] * len(PARTS)
    assert up.process.returncode == 0, up.output
    assert "Traceback" not in up.output
