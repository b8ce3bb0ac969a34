"""After a restore of both databases a run goes on from an older history, and repeats no write of the newer ledger."""

import shutil
from pathlib import Path

import pytest

from activities.settings import ROOT
from deploy.local.commands.backup import back_up, restore
from perdure.client import Platform
from perdure.contracts.runs.run import Answered
from perdure.contracts.tool_calls.decisions import Accepted, Ruling
from perdure.testing import Checkout, embedded_stack
from perdure.testing.script import Script, answer, calls
from tests.support.runs.agent_runs import MESSAGE, says, waits, write_agent

pytestmark = pytest.mark.chaos

SENT = Script.of("sent", [calls(MESSAGE), answer("It is sent.")])


async def approved(platform: Platform) -> str:
    """Approve the waiting step, and return how the run ended."""
    [step] = await waits(platform, "sent")
    assert isinstance((await platform.decide("sent", says(step, Ruling.APPROVE))).came, Accepted)
    result = await platform.result("sent")
    assert isinstance(result.outcome, Answered)
    return result.outcome.answer.body or ""


async def test_a_write_that_the_newer_ledger_knows_is_not_done_again_by_the_older_history(tmp_path: Path) -> None:
    state, agents = tmp_path / "state", tmp_path / "agents"
    state.mkdir()
    agents.mkdir()
    write_agent(agents)
    with embedded_stack(Checkout(ROOT), state=state, agents=agents) as stack:
        async with await stack.platform() as platform:
            await platform.start_agent(SENT.task("Tell them."), agent="tester", business_id="sent")
            await waits(platform, "sent")
            back_up(state, tmp_path / "before")
            assert await approved(platform) == "It is sent."
        back_up(state, tmp_path / "after")
        [(key, times)] = stack.desk.received("messages").items()
        assert times == 1
    # Temporal's database is from while the run waited, the platform's from after it was done.
    shutil.copy(tmp_path / "after" / "perdure.db", tmp_path / "before" / "perdure.db")
    restore(state, tmp_path / "before")
    with embedded_stack(Checkout(ROOT), state=state, agents=agents) as stack:
        async with await stack.platform() as platform:
            assert await approved(platform) == "It is sent."
        assert stack.desk.received("messages") == {key: 1}
        assert len(stack.desk.kept("messages")) == 1
