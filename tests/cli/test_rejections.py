"""A decision that matches nothing is rejected where everybody sees it: to its sender, in the run, and on its page."""

import uuid
from typing import Any

import pytest
from temporalio.client import Client

from deploy.local.stack.desk import DeskServer
from perdure.client import Platform
from perdure.contracts.runs.timeline import EntryKind, EntryState, TimelineEntry
from perdure.contracts.tool_calls.decisions import PendingStep, Rejected, Ruling, StepDecision
from perdure.contracts.tool_calls.rejections import RejectionCause
from perdure.runs import workflow_id
from tests.cli.conftest import Cli
from tests.support.runs.agent_runs import MESSAGE, TICKET, answer, calls, says, waits, write_agent
from tests.support.servers.stub_model import StubModel
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("working")

POLICY = '[tools.send_message.policy]\nnames = ["ada", "ben", "cyd"]\nquorum = 2\n'


@pytest.fixture
def settings(settings: Any) -> Any:
    write_agent(settings.paths.agents[0], "strict", ("create_ticket", "send_message"), "results = []\n", POLICY)
    return settings


def decision(waiting: PendingStep, **more: Any) -> StepDecision:
    return says(waiting, Ruling.APPROVE, decision_id=uuid.uuid4().hex).model_copy(update=more)


async def signalled(platform: Platform, run: str) -> list[TimelineEntry]:
    """Return the entries of signals in a run's timeline which say whether the decision counts."""
    return [
        entry
        async for entry in platform.timeline(run)
        if entry.kind is EntryKind.PERSON and entry.state is not EntryState.RUNNING
    ]


async def test_each_kind_of_signal_that_changes_nothing_stands_in_the_run_with_its_reason(
    cli: Cli, platform: Platform, client: Client, stub: StubModel, desk: DeskServer
) -> None:
    stub.script = [calls(MESSAGE), answer()]
    run = await platform.start_agent("Tell them.", agent="strict")
    [step] = await waits(platform, run)
    handle = client.get_workflow_handle(workflow_id("default", run))
    kept = decision(step, by="ada", arguments={"to": "bob", "text": "Hi."})
    kinds: list[tuple[str, Any]] = [
        ("has not been asked for yet", decision(step, step="call-7-1")),
        ("is called without a person|has 1 calls", decision(step, step="call-1-4")),
        ("steps are named like", decision(step, step="the message")),
        ("is another one by now, or was never this one", decision(step, digest="1" * 64, reason="x" * 2000)),
        ("may not decide about send_message", decision(step, by="eve")),
        ("is no answer to what is asked", says(step, Ruling.RETRY, decision_id="retry", by="ada")),
        ("ruling", {"decision_id": "1", "step": step.step, "digest": step.digest, "ruling": "so be it", "by": "ada"}),
        ("", kept),
        ("", kept),
        ("since 'ada' has changed its arguments", decision(step, by="ben")),
    ]
    for _, sent in kinds:
        await handle.signal("decide", sent)

    async def has_voices() -> bool:
        [now] = await platform.pending(run)
        return len(now.voices) == 1

    await until(has_voices, what="ada's decision counts")
    [edited] = await platform.pending(run)
    assert edited.digest != step.digest
    await handle.signal("decide", decision(edited, by="ben"))
    await platform.result(run)
    assert sum(desk.desk.received()["messages"].values()) == 1

    entries = await signalled(platform, run)
    reasons = [reason for reason, _ in kinds] + [""]
    assert len(entries) == len(reasons)
    for entry, reason in zip(entries, reasons, strict=True):
        assert (entry.state is EntryState.FAILED) == bool(reason), entry
        assert any(part in entry.found for part in reason.split("|")), entry
        assert entry.began is not None, "it names the signal"
    shown = (await cli("show", run)).out
    assert shown.count(", by signal, rejected: ") == 8
    assert shown.count("(received)") == 0, "each signal has one line"
    page = str((await handle.query("__temporal_workflow_metadata")).current_details)
    assert page.count("| rejected: ") == 7
    assert "sent again; approve" in page


async def test_the_sender_of_an_update_is_told_the_kind_and_a_script_by_the_exit_code(
    cli: Cli, platform: Platform, stub: StubModel
) -> None:
    stub.script = [calls(TICKET), calls(MESSAGE), answer()]
    run = await platform.start_agent("Tell them.", agent="strict")
    [step] = await waits(platform, run)
    assert step.step == "call-2-1"

    async def cause(sent: StepDecision) -> RejectionCause | None:
        came = (await platform.decide(run, sent)).came
        return came.cause if isinstance(came, Rejected) else None

    first = decision(step, by="ada")
    assert await cause(decision(step, step="call-3-1")) is RejectionCause.EARLY
    assert await cause(decision(step, step="call-1-1")) is RejectionCause.LATE
    assert await cause(decision(step, digest="2" * 64)) is RejectionCause.ANOTHER
    assert await cause(decision(step, by="eve")) is RejectionCause.NOT_ALLOWED
    assert await cause(first) is None
    assert await cause(first) is None, "the same decision again is no other one"
    assert await cause(first.model_copy(update={"reason": "Oh."})) is RejectionCause.REUSED
    assert await cause(says(step, Ruling.DENY, by="ben")) is None

    async def over() -> bool:
        return (await platform.status(run)).state == "completed"

    await until(over, what="the run is over")
    assert await cause(decision(step, by="cyd")) is RejectionCause.LATE
    for arguments in (("approve", run, step.step), ("deny", "no-such-run", "call-1-1"), ("approve", "no-such-run")):
        result = await cli(*arguments, "--yes")
        assert (result.code, result.out) == (6, ""), result
        assert "is over" in result.err or "has no run 'no-such-run'" in result.err
