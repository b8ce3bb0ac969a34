"""The SDK's sandbox, as the platform's plugin sets it up, refuses what a workflow module must not do."""

import base64
import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.worker.workflow_sandbox import RestrictedWorkflowAccessError, UnintentionalPassthroughError

from perdure.contracts.runs.run import AskRequest
from perdure.contracts.text import Text
from workflows.plugin import WORKFLOWS, PerdurePlugin

MODULE = """
import datetime
import {helper}
{at_import}
from temporalio import workflow
from perdure.contracts.runs.run import AskRequest

@workflow.defn(name="planted")
class Planted:
    @workflow.run
    async def run(self, ask: AskRequest) -> None:
        {at_run}
"""
"""A workflow of one line. The tests plant others in it."""

PASSED_THROUGH = "perdure.contracts.text"


def planted(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    helper: str = PASSED_THROUGH,
    at_import: str = "",
    at_run: str = "pass",
) -> type:
    """Write a workflow module into a folder, import it, and return its workflow."""
    (folder / "planted.py").write_text(MODULE.format(helper=helper, at_import=at_import, at_run=at_run))
    (folder / "unknown_helper.py").write_text("")
    monkeypatch.syspath_prepend(folder)
    for name in ("planted", "unknown_helper"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    importlib.invalidate_caches()
    return importlib.import_module("planted").Planted


def history() -> WorkflowHistory:
    """A run of the planted workflow: it starts with one request, and is over after one workflow task."""
    request = AskRequest(question=Text.of("Why?")).model_dump_json().encode()
    encoding = base64.b64encode(b"json/plain").decode()
    payload = {"metadata": {"encoding": encoding}, "data": base64.b64encode(request).decode()}
    queue = {"taskQueue": {"name": "planted"}}
    attributes: list[tuple[str, dict[str, Any]]] = [
        ("workflowExecutionStarted", {"workflowType": {"name": "planted"}, "input": {"payloads": [payload]}, **queue}),
        ("workflowTaskScheduled", queue),
        ("workflowTaskStarted", {"scheduledEventId": "2"}),
        ("workflowTaskCompleted", {"scheduledEventId": "2", "startedEventId": "3"}),
        ("workflowExecutionCompleted", {"workflowTaskCompletedEventId": "4"}),
    ]
    attributes[0][1].update(originalExecutionRunId="run", firstExecutionRunId="run", attempt=1)
    kinds = ("EXECUTION_STARTED", "TASK_SCHEDULED", "TASK_STARTED", "TASK_COMPLETED", "EXECUTION_COMPLETED")
    events = [
        {
            "eventId": str(number),
            "eventTime": "2026-01-01T00:00:00Z",
            "eventType": f"EVENT_TYPE_WORKFLOW_{kind}",
            f"{name}EventAttributes": fields,
        }
        for number, (kind, (name, fields)) in enumerate(zip(kinds, attributes, strict=True), start=1)
    ]
    return WorkflowHistory.from_json("default:planted", {"events": events})


async def replay(workflow: type) -> Exception | None:
    """Replay the history with the platform's plugin; what went wrong at run time, None where nothing did."""
    replayer = Replayer(workflows=[workflow], plugins=[PerdurePlugin()])
    return (await replayer.replay_workflow(history(), raise_on_replay_failure=False)).replay_failure


async def test_a_clean_workflow_replays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await replay(planted(tmp_path, monkeypatch)) is None


async def test_an_import_that_is_not_passed_through_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workflow = planted(tmp_path, monkeypatch, helper="unknown_helper")
    with pytest.raises(RuntimeError, match="Failed validating workflow planted") as refused:
        await replay(workflow)
    assert isinstance(refused.value.__cause__, UnintentionalPassthroughError)
    assert "unknown_helper" in str(refused.value.__cause__)


@pytest.mark.parametrize("line", ["NOW = datetime.datetime.now()", "import random; DRAWN = random.random()"])
async def test_a_clock_or_a_draw_at_import_is_refused(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow = planted(tmp_path, monkeypatch, at_import=line)
    with pytest.raises(RuntimeError, match="Failed validating workflow planted") as refused:
        await replay(workflow)
    assert isinstance(refused.value.__cause__, RestrictedWorkflowAccessError)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("datetime.datetime.now()", "datetime.datetime.now"),
        ("import random; random.random()", "random.random"),
        ("import uuid; uuid.uuid4()", "uuid.uuid4"),
        ("import os; os.environ.get('HOME')", "os.environ"),
        ("import time; time.time()", "time.time"),
        ("open(__file__)", "open"),
    ],
)
async def test_a_line_that_asks_the_machine_is_refused_at_run_time(
    line: str, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failure = await replay(planted(tmp_path, monkeypatch, at_run=line))
    assert f"Cannot access {named}" in str(failure) or f"Cannot access __builtins__.{named}" in str(failure)


async def test_every_workflow_of_the_platform_loads_in_the_sandbox() -> None:
    replayer = Replayer(workflows=WORKFLOWS, plugins=[PerdurePlugin()])
    result = await replayer.replay_workflow(history(), raise_on_replay_failure=False)
    # The history is of a type that is not ours: getting as far as saying so means that ours were loaded.
    assert "planted is not registered" in str(result.replay_failure)
