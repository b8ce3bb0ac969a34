"""A retried run continues from the step that failed; earlier payments and writes are not repeated."""

import asyncio
import shutil
import uuid

import pytest
from temporalio.client import Client

from activities.settings import ROOT, Settings
from deploy.local.stack.desk import DeskServer
from perdure.client import Platform
from perdure.contracts.chains.steps import DocumentFile
from perdure.contracts.runs.listing import RunFilter
from perdure.contracts.runs.retry import Retry
from perdure.contracts.runs.run import AskRequest, ExtractRequest, RunResult
from perdure.contracts.runs.timeline import EntryKind
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.decisions import Accepted, Ruling
from perdure.errors import NotFailed, RunFailed
from perdure.runs import workflow_id
from tests.cli.conftest import Cli
from tests.replay.scenarios import INVOICE, reading
from tests.support.faults.breaking_tools import Breaks, breaking
from tests.support.runs.agent_runs import MESSAGE, READS, SUM, TICKET, WRITES, answer, calls, says, waits, write_agent
from tests.support.servers.stub_model import StubModel
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("working")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    [agents] = settings.paths.agents
    write_agent(agents, "unguarded", READS, "results = []\n")
    write_agent(agents, "patient", (*READS, *WRITES), wait=0.4)
    shutil.copytree(ROOT / "agents" / "schemas", agents / "schemas")
    return settings


@pytest.fixture
def breaks(monkeypatch: pytest.MonkeyPatch) -> Breaks:
    return breaking(monkeypatch)


BROKEN = ["500"] * 3
"""One failure for each attempt of a paid step."""

TRIES = 5
"""The attempts of a tool call."""

QUESTION = "How many weeks of parental leave are paid in full?"


async def fails(platform: Platform, run: str) -> str:
    """Wait until a run fails, and return the reason."""
    with pytest.raises(RunFailed) as failure:
        await platform.result(run)
    return str(failure.value)


async def outcome_of(platform: Platform, run: str) -> str:
    result: RunResult = await platform.result(run)
    return result.outcome.kind


async def execution_ids(client: Client, run: str) -> tuple[str, str]:
    """Return the id of the newest execution, and the run id that keys ledgers, saved replies and accounts."""
    handle = client.get_workflow_handle(workflow_id("default", run))
    newest = (await handle.describe()).run_id
    event = await anext(aiter(client.get_workflow_handle(handle.id, run_id=newest).fetch_history_events(page_size=1)))
    return newest, event.workflow_execution_started_event_attributes.first_execution_run_id


async def test_an_agent_goes_on_and_neither_writes_nor_pays_twice(
    cli: Cli, platform: Platform, client: Client, stub: StubModel, desk: DeskServer
) -> None:
    run = uuid.uuid4().hex
    stub.script = [calls(TICKET, SUM), *BROKEN, answer("It is open.")]
    assert (await cli("run", "tester", "Open a ticket.", "--id", run, "-q")).code == 1
    calls_before = stub.calls
    ids_before = await execution_ids(client, run)
    result = await cli("retry", run)
    assert (result.code, result.out) == (0, f"{run} goes on from think think-2\n"), result.err
    assert f"/workflows/default:{run}/" in result.err
    assert await outcome_of(platform, run) == "answered"
    assert stub.calls == calls_before + 1
    assert list(desk.desk.received()["tickets"].values()) == [1]
    ids_after = await execution_ids(client, run)
    assert ids_after[0] != ids_before[0]
    assert ids_after[1] == ids_before[1] == ids_before[0], "the keys of the run stay the same"


@pytest.mark.parametrize(
    ("kind", "replies"),
    [("chain", ["answer"]), ("chain", ["malformed", "answer"]), ("extraction", ["malformed", {"content": reading()}])],
    ids=["chain", "repaired chain", "repaired extraction"],
)
async def test_whatever_kind_of_run_it_is_only_what_failed_is_asked_again(
    platform: Platform, stub: StubModel, kind: str, replies: list[object]
) -> None:
    stub.script = [*replies[:-1], *BROKEN, replies[-1]]
    extract = ExtractRequest(schema_name="invoice", file=DocumentFile(name="invoice.txt", text=Text.of(INVOICE)))
    request = extract if kind == "extraction" else AskRequest(question=Text.of(QUESTION))
    run = await platform.start_request(request)
    await fails(platform, run)
    assert stub.calls == len(replies) - 1 + len(BROKEN)
    await platform.retry(run)
    assert await outcome_of(platform, run) == ("extracted" if kind == "extraction" else "answered")
    assert stub.calls == len(replies) + len(BROKEN)


async def test_a_run_that_fails_again_is_retried_again_and_told_once(
    cli: Cli, platform: Platform, client: Client, stub: StubModel, desk: DeskServer
) -> None:
    run = uuid.uuid4().hex
    stub.script = [calls(TICKET), *BROKEN, *BROKEN, calls(SUM), *BROKEN, answer()]
    await platform.start_agent("Open a ticket.", agent="tester", business_id=run)
    for step in ("think-2", "think-2", "think-3"):
        assert "think: gave up" in await fails(platform, run)
        assert (await platform.retry(run)).again == (f"think {step}",)
    assert await outcome_of(platform, run) == "answered"
    assert stub.calls == 12
    assert list(desk.desk.received()["tickets"].values()) == [1]
    assert len({first for _, first in [await execution_ids(client, run)]}) == 1
    entries = [entry async for entry in platform.timeline(run)]
    assert [entry.name for entry in entries if entry.kind is EntryKind.BEGAN] == ["agent"]
    assert [entry.name for entry in entries if entry.kind is EntryKind.CONTINUED] == ["retried"] * 3
    summaries = [entry.summary for entry in entries if entry.name in ("think", "act") and entry.began]
    assert [summary.split()[0] for summary in summaries] == ["think-1", "call-1-1", "think-2", "call-2-1", "think-3"]
    assert entries[-1].name == "answered"
    output = await cli("show", run)
    assert output.code == 0, output.err
    assert "retried" in output.out
    assert "retried after: think: gave up after 3 attempts" in output.out

    async def listed_once() -> bool:
        runs = [listed for listed in await platform.list_runs(RunFilter(limit=200)) if listed.business_id == run]
        return [(listed.state, listed.outcome) for listed in runs] == [("completed", "answered")]

    await until(listed_once, what="the list shows the run once, in its newest state")
    failed_runs = await platform.list_runs(RunFilter(state="failed", limit=200))
    assert run not in {listed.business_id for listed in failed_runs}


async def test_two_who_retry_at_the_same_time_do_no_harm(platform: Platform, stub: StubModel, desk: DeskServer) -> None:
    stub.script = [*BROKEN, calls(TICKET), answer()]
    run = await platform.start_agent("Open a ticket.", agent="tester")
    await fails(platform, run)
    replies = await asyncio.gather(platform.retry(run), platform.retry(run), return_exceptions=True)
    assert all(isinstance(reply, Retry | NotFailed) for reply in replies)
    assert await outcome_of(platform, run) == "answered"
    assert list(desk.desk.received()["tickets"].values()) == [1]
    with pytest.raises(NotFailed, match=r"is over \(answered\)"):
        await platform.retry(run)


async def test_what_did_not_fail_is_not_retried(cli: Cli, platform: Platform, client: Client, stub: StubModel) -> None:
    stub.script = [answer(), calls(MESSAGE)]
    finished = await platform.start_agent("Do it.", agent="tester")
    assert await outcome_of(platform, finished) == "answered"
    waiting = await platform.start_agent("Tell them.", agent="tester")
    await waits(platform, waiting)
    for run, cause in ((finished, "is over (answered)"), (waiting, "goes on"), ("nobody", "has no run 'nobody'")):
        result = await cli("retry", run)
        assert (result.code, result.out) == (1, "")
        [line] = result.err.splitlines()
        assert cause in line
    await client.get_workflow_handle(workflow_id("default", waiting)).terminate("not needed")
    assert "was ended by a person (terminated)" in (await cli("retry", waiting)).err
    stub.script = [calls(MESSAGE)]
    stopped = await platform.start_agent("Tell them.", agent="tester")
    await waits(platform, stopped)
    await platform.cancel(stopped)
    assert await outcome_of(platform, stopped) == "cancelled"
    assert "is over (cancelled)" in (await cli("retry", stopped)).err


async def test_a_run_that_asks_for_what_cannot_be_is_done_anew_and_fails_anew(
    platform: Platform, client: Client
) -> None:
    run = uuid.uuid4().hex
    await client.start_workflow("agent", {"nonsense": 1}, id=f"default:{run}", task_queue="perdure-agents")
    reason = await fails(platform, run)
    assert (await platform.retry(run)).again == ()
    assert await fails(platform, run) == reason


async def test_what_is_typed_wrongly_is_said_in_one_line(cli: Cli) -> None:
    for arguments, cause in (
        ((), "say which"),
        (("one", "--failed", "--since", "2h"), "say which"),
        (("--failed",), "say how far back"),
        (("--failed", "--since", "soon"), "'soon' is no time"),
        (("one", "--dry-run"), "go with --failed"),
    ):
        result = await cli("retry", *arguments)
        assert (result.code, result.out) == (2, ""), arguments
        [line] = result.err.splitlines()
        assert cause in line


async def test_a_call_that_broke_beside_a_write_is_made_again_and_the_write_is_not(
    platform: Platform, stub: StubModel, desk: DeskServer, breaks: Breaks
) -> None:
    stub.script = [calls(TICKET, SUM), answer()]
    breaks.before["calculator"] = TRIES
    run = await platform.start_agent("Open a ticket.", agent="tester")
    assert "act: call-1-2: gave up" in await fails(platform, run)
    assert (await platform.retry(run)).again == ("act call-1-2",)
    assert await outcome_of(platform, run) == "answered"
    assert list(desk.desk.received()["tickets"].values()) == [1]
    assert stub.calls == 2


async def test_a_call_within_the_workflows_own_task_is_made_again_too(
    platform: Platform, stub: StubModel, breaks: Breaks
) -> None:
    stub.script = [calls(SUM), answer()]
    breaks.before["calculator"] = TRIES
    run = await platform.start_agent("Add up.", agent="unguarded")
    await fails(platform, run)
    breaks.before.clear()
    assert (await platform.retry(run)).again == ("act call-1-1",)
    assert await outcome_of(platform, run) == "answered"
    assert stub.calls == 2


async def test_what_a_person_decided_before_the_failure_still_holds(
    platform: Platform, stub: StubModel, desk: DeskServer, breaks: Breaks
) -> None:
    stub.script = [calls(MESSAGE, SUM), answer()]
    breaks.before["calculator"] = TRIES
    run = await platform.start_agent("Tell them.", agent="patient")
    [step] = await waits(platform, run)
    reply = await platform.decide(run, says(step, Ruling.APPROVE))
    assert isinstance(reply.came, Accepted)
    assert "act: call-1-2: gave up" in await fails(platform, run)
    await platform.retry(run)
    assert await outcome_of(platform, run) == "answered"
    assert list(desk.desk.received()["messages"].values()) == [1]


async def test_a_write_whose_outcome_was_lost_is_found_out_about_and_not_made_again(
    platform: Platform, stub: StubModel, desk: DeskServer, breaks: Breaks
) -> None:
    stub.script = [calls(MESSAGE, SUM), answer()]
    breaks.before["calculator"] = TRIES
    breaks.after["send_message"] = 1
    run = await platform.start_agent("Tell them.", agent="patient")
    [step] = await waits(platform, run)
    await platform.decide(run, says(step, Ruling.APPROVE))
    await fails(platform, run)
    await platform.retry(run)
    assert await outcome_of(platform, run) == "answered"
    assert list(desk.desk.received()["messages"].values()) == [1]
