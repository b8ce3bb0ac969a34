"""Runs from the command line: started, followed, listed, shown and paused; each command is its own process."""

import asyncio
import signal
import subprocess
import sys
import uuid

import pytest
from temporalio.client import Client

from activities.settings import ROOT, environment_with
from perdure.client import Platform
from perdure.contracts.budget import Spend
from perdure.contracts.runs.listing import RunFilter
from perdure.contracts.runs.run import RunResult
from perdure.contracts.runs.timeline import EntryKind, EntryState
from tests.cli.conftest import Cli
from tests.support.runs.agent_runs import MESSAGE, SUM, TICKET, answer, calls, waits
from tests.support.servers.stub_model import StubModel
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("working")

QUESTION = "How many weeks of parental leave are paid in full?"


async def test_a_question_is_answered_on_standard_output_and_explained_beside_it(cli: Cli) -> None:
    result = await cli("ask", QUESTION)
    assert result.code == 0, result.err
    assert "weeks" in result.out
    assert len(result.out.splitlines()) == 1
    for text in ("retrieve", "generate", "tokens, $0.00", "cites", "/namespaces/default/workflows/default:"):
        assert text in result.err


async def test_asking_again_under_the_same_id_finds_the_same_run(cli: Cli, stub: StubModel) -> None:
    name = f"ticket/{uuid.uuid4()}"
    first, second = [await cli("ask", QUESTION, "--id", name, "--json") for _ in range(2)]
    assert first.json["link"] == second.json["link"]
    assert stub.calls == 1
    other_question = await cli("ask", "Who cleans the pond?", "--id", name)
    assert (other_question.code, other_question.out) == (1, "")
    assert other_question.err.startswith(f"perdure: the business id {name!r} was used by another request")


async def test_the_question_may_come_from_standard_input(cli: Cli) -> None:
    result = await cli("ask", "-", "--json", stdin=QUESTION.encode())
    assert result.json["result"]["outcome"]["kind"] == "answered"


async def test_exit_codes_tell_how_a_run_ended(cli: Cli, stub: StubModel) -> None:
    assert (await cli("ask", "Who was the first king of Norway?", "-q")).code == 3
    broke = await cli("ask", QUESTION, "--dollars", "0.000001", "-q")
    assert broke.code == 4
    assert "micro_dollars" in broke.err
    assert stub.calls == 0
    failed = await cli("run", "nobody", "Do it.", "-q")
    assert failed.code == 1
    assert failed.err.splitlines()[-1].startswith("perdure: run ")


async def test_a_run_without_the_write_that_it_requires_says_what_is_missing(cli: Cli, stub: StubModel) -> None:
    stub.script = [calls(TICKET), answer("It is open.")]
    done = await cli("run", "tester", "Open one.", "--requires", "create_ticket", "-q")
    assert (done.code, done.out) == (0, "It is open.\n")
    assert 'write    done: create_ticket call-1-1 {"title": "Leave"' in done.err
    stub.calls, stub.script = 0, [answer("It is open."), answer("It really is.")]
    missing = await cli("run", "tester", "Open one.", "--requires", "create_ticket", "-q")
    assert (missing.code, missing.out) == (3, "")
    assert "unfinished: Required: create_ticket was never tried." in missing.err
    assert "its last words: It really is." in missing.err
    assert "write    not attempted, but required: create_ticket" in missing.err


async def test_a_run_is_told_step_by_step_and_adds_up(cli: Cli, stub: StubModel, platform: Platform) -> None:
    stub.script = [calls(SUM, TICKET), answer("Forty-two.")]
    name = str(uuid.uuid4())
    output = await cli("run", "tester", "Find out.", "--id", name, "--json")
    assert output.code == 0, output.err
    watched = await cli("watch", name, "--json")
    entries = [line["entry"] for line in watched.lines[:-1]]
    assert watched.lines[-1]["result"] == output.json["result"]
    effects = [entry["name"] for entry in entries if entry["kind"] == "effect" and entry["state"] == "done"]
    assert sorted(effects) == ["act", "act", "pin_agent", "think", "think"]
    findings = [entry["found"] for entry in entries if entry["name"] == "think" and entry["state"] == "done"]
    assert findings[0].endswith("asks for calculator, create_ticket")
    assert findings[1].endswith("answers")
    timeline = [entry async for entry in platform.timeline(name)]
    assert [entry.event for entry in timeline] == [entry["event"] for entry in entries]
    spent = sum((entry.spent for entry in timeline if entry.spent), Spend())
    assert spent == RunResult.model_validate(output.json["result"]).spent
    assert spent.steps == 2
    assert (timeline[0].kind, timeline[-1].kind, timeline[-1].name) == (EntryKind.BEGAN, EntryKind.ENDED, "answered")


async def test_show_has_costs_verdicts_and_the_link(cli: Cli) -> None:
    name = str(uuid.uuid4())
    await cli("ask", QUESTION, "--id", name, "-q")
    output = await cli("show", name)
    assert output.code == 0, output.err
    for text in ("answered", "generate", "guard citations_verbatim", "$0.00", f"workflows/default:{name}/"):
        assert text in output.out
    as_json = (await cli("show", name, "--json")).json
    assert as_json["result"]["outcome"]["kind"] == "answered"
    guards = [verdict["guard"] for entry in as_json["entries"] for verdict in entry["verdicts"]]
    assert guards
    assert set(guards) == {verdict["guard"] for verdict in as_json["result"]["verdicts"]}


async def test_a_lost_attempt_is_shown_as_one(cli: Cli, stub: StubModel) -> None:
    stub.script = ["503", answer("Yes.")]
    name = str(uuid.uuid4())
    assert (await cli("run", "tester", "Is it?", "--id", name, "-q")).code == 0
    entries = (await cli("show", name, "--json")).json["entries"]
    thoughts = [(entry["attempt"], entry["state"]) for entry in entries if entry["name"] == "think"]
    assert thoughts == [(1, "running"), (1, "failed"), (2, "running"), (2, "done")]


async def test_a_detached_run_goes_on_and_can_be_held_and_stopped(
    cli: Cli, stub: StubModel, platform: Platform
) -> None:
    stub.script = [calls(MESSAGE), answer()]
    started = await cli("run", "tester", "Tell them.", "--detach")
    name = started.out.strip()
    assert started.code == 0
    await waits(platform, name)
    pause_result = await cli("pause", name, "--by", "ada", "--reason", "lunch")
    assert pause_result.out == f"{name} is paused by ada: lunch\n"
    assert (await cli("resume", name, "--by", "ada")).out == f"{name} goes on\n"
    watch_result = await cli("watch", name, "--within", "1s")
    assert watch_result.code == 7
    assert f"run '{name}' goes on" in watch_result.err
    assert "send_message" in watch_result.err
    assert (await cli("cancel", name)).code == 0
    watched = await cli("watch", name)
    assert watched.code == 5
    record = (await cli("show", name, "--json")).json
    assert record["status"]["outcome"] == "cancelled"
    people = [(entry["name"], entry["found"]) for entry in record["entries"] if entry["kind"] == "person"]
    assert people == [("pause", "ada, by update, says: lunch"), ("resume", "ada, by update")]


async def test_ctrl_c_stops_the_watching_and_not_the_run(
    cli: Cli, client: Client, stub: StubModel, platform: Platform
) -> None:
    stub.script = [calls(MESSAGE), answer()]
    name = (await cli("run", "tester", "Tell them.", "--detach")).out.strip()
    await waits(platform, name)
    watcher = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "perdure.cli", "watch", name),
        cwd=ROOT,
        env=environment_with(TEMPORAL_ADDRESS=client.service_client.config.target_host),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert watcher.stdout is not None
    await asyncio.wait_for(watcher.stdout.readline(), 60)  # it follows the run now
    watcher.send_signal(signal.SIGINT)
    _, errors = await asyncio.wait_for(watcher.communicate(), 60)
    assert watcher.returncode == 130
    assert errors.decode().splitlines()[-1] == (
        f"perdure: stopped watching: run '{name}' goes on: perdure watch {name}"
    )
    assert (await platform.status(name)).state == "running"
    await platform.cancel(name)


async def test_runs_are_listed_by_what_they_are(cli: Cli, stub: StubModel, platform: Platform) -> None:
    tenant = f"t{uuid.uuid4().hex[:8]}"
    stub.script = [answer("Yes."), calls(MESSAGE)]
    assert (await cli("run", "tester", "Is it?", "--tenant", tenant, "--id", "first", "-q")).code == 0
    assert (await cli("run", "tester", "Tell them.", "--tenant", tenant, "--id", "second", "--detach")).code == 0

    async def both_are_there() -> bool:
        states = {
            run.business_id: run.outcome or run.awaiting for run in await platform.list_runs(RunFilter(tenant=tenant))
        }
        return states == {"first": "answered", "second": True}

    await until(both_are_there, what="visibility has caught up")

    async def listed(*options: str) -> set[str]:
        return {run["business_id"] for run in (await cli("list", "--tenant", tenant, "--json", *options)).json}

    assert await listed("--waiting") == {"second"}
    assert await listed("--agent", "tester", "--phase", "awaiting_approval") == {"second"}
    assert await listed("--agent", "somebody") == set()
    assert await listed("--state", "completed", "--since", "1h") == {"first"}
    plain = await cli("list", "--tenant", tenant)
    assert [line.split("\t")[0] for line in plain.out.splitlines()] == ["second", "first"]
    assert (await cli("cancel", "second", "--tenant", tenant)).code == 0


async def test_a_run_that_failed_is_shown_with_the_reason(platform: Platform, cli: Cli, client: Client) -> None:
    name = str(uuid.uuid4())
    await client.start_workflow("agent", {"nonsense": 1}, id=f"default:{name}", task_queue="perdure-agents")
    await until(lambda: _is_over(platform, name), what="it has failed")
    record = (await cli("show", name, "--json")).json
    assert record["result"] is None
    assert (record["entries"][-1]["name"], record["entries"][-1]["state"]) == ("failed", EntryState.FAILED)
    assert "Field required" in record["entries"][-1]["found"]


async def _is_over(platform: Platform, run: str) -> bool:
    return (await platform.status(run)).state == "failed"
