"""Any Temporal client can decide, by signal or update; a malformed one is answered or recorded, and harms no run."""

import asyncio
import json
import re
import shlex
import uuid

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from activities.settings import ROOT
from deploy.local.stack.desk import Desk
from perdure.client import Platform
from perdure.contracts.runs.run import RunResult
from perdure.contracts.tool_calls.decisions import Ruling
from perdure.runs import workflow_id
from tests.support.runs.people import calls, decision, message, waiting
from tests.support.servers.stub_model import StubModel
from tests.support.servers.temporal import TEMPORAL

pytestmark = pytest.mark.usefixtures("working")

DONE = {"content": "Done."}
DOCUMENTED = "call-2-1"
"""The step in the documented lines. `tests/docs/test_steps.py` asks the shipped agent for it."""

README = (ROOT / "agents" / "APPROVALS.md").read_text()


async def started(platform: Platform, stub: StubModel) -> str:
    stub.script = [calls(message()), DONE]
    return await platform.start_agent("Write to bob.", agent="clerk", business_id=uuid.uuid4().hex)


@pytest.mark.parametrize("kind", ["signal", "update"])
async def test_the_documented_line_decides(
    platform: Platform, client: Client, stub: StubModel, desk: Desk, kind: str
) -> None:
    run = await started(platform, stub)
    [step] = await waiting(platform, run)
    [line] = re.findall(rf"^(temporal workflow {kind} .*?\}}')$", README, re.MULTILINE | re.DOTALL)
    assert DOCUMENTED in line
    line = line.replace("\\\n", " ").replace("default:RUN", workflow_id("default", run)).replace("DIGEST", step.digest)
    _, *arguments = shlex.split(line.replace(DOCUMENTED, step.step))
    address = client.service_client.config.target_host
    command = await asyncio.create_subprocess_exec(
        TEMPORAL, *arguments, "--address", address, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await command.communicate()
    assert command.returncode == 0, output.decode()
    if kind == "update":
        assert "kind:accepted" in output.decode()
    await platform.result(run)
    assert list(desk.received()["messages"].values()) == [1]


MALFORMED: list[tuple[object, ...]] = [
    (),
    ("approve",),
    ({"step": "call-1-1"},),
    ({"decision_id": 7, "step": "call-1-1", "digest": "1" * 64, "ruling": "approve", "by": "eve"},),
    ({"decision_id": "1", "step": "call-1-1", "digest": "short", "ruling": "approve", "by": "eve"},),
    ({"decision_id": "1", "step": "call-1-1", "digest": "1" * 64, "ruling": "perhaps", "by": "eve"},),
    ([1, 2],),
    (b"\xff\xfe",),
    (None,),
    ({"decision_id": "1"}, {"step": "call-1-1"}),
]


async def test_a_signal_of_the_wrong_shape_is_recorded_and_the_run_goes_on(
    platform: Platform, client: Client, stub: StubModel, desk: Desk
) -> None:
    run = await started(platform, stub)
    [step] = await waiting(platform, run)
    handle = client.get_workflow_handle(workflow_id("default", run), result_type=RunResult)
    for malformed in MALFORMED:
        await handle.signal("decide", args=list(malformed))
    [still_waiting] = await waiting(platform, run)
    assert still_waiting == step
    await handle.signal("decide", decision(step))
    result = await platform.result(run)
    notices = [notice for notice in result.notices if "no decision" in notice]
    assert len(notices) == len(MALFORMED)
    assert any("digest" in notice for notice in notices)
    assert list(desk.received()["messages"].values()) == [1]
    history = await handle.fetch_history()
    assert not [event for event in history.events if event.HasField("workflow_task_failed_event_attributes")]


async def test_an_update_of_the_wrong_shape_is_refused_with_the_reason_and_leaves_no_trace(
    platform: Platform, client: Client, stub: StubModel
) -> None:
    run = await started(platform, stub)
    [step] = await waiting(platform, run)
    handle = client.get_workflow_handle(workflow_id("default", run), result_type=RunResult)
    events_before = len((await handle.fetch_history()).events)
    reasons: list[str] = []
    for malformed in MALFORMED:
        with pytest.raises(WorkflowUpdateFailedError) as failure:
            await handle.execute_update("decide", args=list(malformed))
        assert isinstance(failure.value.cause, ApplicationError)
        reasons.append(failure.value.cause.message)
    assert all(re.search("one JSON object|decision_id|digest|ruling|exactly one", line) for line in reasons), reasons
    assert len((await handle.fetch_history()).events) == events_before
    await platform.decide(run, decision(step, ruling=Ruling.DENY))
    await platform.result(run)


async def test_an_update_that_comes_without_one_object_wedges_no_run(
    platform: Platform, client: Client, stub: StubModel
) -> None:
    run = await started(platform, stub)
    [step] = await waiting(platform, run)
    handle = client.get_workflow_handle(workflow_id("default", run), result_type=RunResult)
    for name in ("pause", "resume"):
        for inputs in ([], [{"by": "eve"}, {"by": "eve"}], [b"eve"], [None], [RawValue(Payload())]):
            with pytest.raises(WorkflowUpdateFailedError):
                await handle.execute_update(name, args=inputs)
    assert (await platform.pause(run, by="eve")).paused
    assert not (await platform.resume(run, by="eve")).paused
    await platform.decide(run, decision(step, ruling=Ruling.DENY))
    await platform.result(run)


async def test_the_credential_of_a_malformed_decision_is_never_shown(
    platform: Platform, client: Client, stub: StubModel
) -> None:
    run = await started(platform, stub)
    [step] = await waiting(platform, run)
    handle = client.get_workflow_handle(workflow_id("default", run), result_type=RunResult)
    credential = "eyJhbGciOiJFUzI1NiJ9.c2VjcmV0.c2ln"
    malformed = json.loads(decision(step).model_dump_json()) | {"ruling": "perhaps", "credential": credential}
    with pytest.raises(WorkflowUpdateFailedError) as failure:
        await handle.execute_update("decide", malformed)
    assert isinstance(failure.value.cause, ApplicationError)
    assert "ruling" in failure.value.cause.message
    assert credential not in failure.value.cause.message
    await handle.signal("decide", malformed)
    await platform.decide(run, decision(step, ruling=Ruling.DENY))
    assert credential not in (await platform.result(run)).model_dump_json()
