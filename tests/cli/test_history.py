"""A history that the command line has written replays, and nobody else can read it."""

import uuid
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from perdure.client import Platform
from tests.cli.conftest import Cli
from tests.support.runs.agent_runs import TICKET, answer, calls
from tests.support.servers.stub_model import StubModel
from workflows.plugin import WORKFLOWS, PerdurePlugin

pytestmark = pytest.mark.usefixtures("working")


async def test_an_exported_history_replays(cli: Cli, platform: Platform, stub: StubModel, tmp_path: Path) -> None:
    stub.script = [calls(TICKET), answer()]
    name, file = str(uuid.uuid4()), tmp_path / "run.json"
    await platform.run_agent("Open a ticket.", agent="tester", business_id=name)
    result = await cli("history", "export", name, str(file), "--json")
    assert result.code == 0, result.err
    history = WorkflowHistory.from_json(f"default:{name}", file.read_text())
    assert result.json == {"file": str(file), "events": len(history.events), "execution": 1, "executions": 1}
    await Replayer(workflows=WORKFLOWS, plugins=[PerdurePlugin()]).replay_workflow(history)
    # The replay can fail: a step with another name is another command.
    for event in history.events:
        if event.HasField("activity_task_scheduled_event_attributes"):
            event.activity_task_scheduled_event_attributes.activity_type.name = "something_else"
    with pytest.raises(Exception, match="something_else"):
        await Replayer(workflows=WORKFLOWS, plugins=[PerdurePlugin()]).replay_workflow(history)
    assert file.stat().st_mode & 0o077 == 0
    second_export = await cli("history", "export", name, str(file))
    assert second_export.code == 2
    assert second_export.err == (
        f"perdure: FILE: '{file}' is there already: choose another name, or replace it with --force\n"
    )
    assert (await cli("history", "export", name, str(file), "--force", "--execution", "2")).code == 2
    nowhere = await cli("history", "export", name, str(tmp_path / "no" / "where.json"))
    assert nowhere.code == 1
    assert nowhere.err.startswith("perdure: cannot write ")
