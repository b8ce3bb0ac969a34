"""People decide from the command line: it shows the waiting step and sends a decision bound to its digest, once."""

import json
import uuid
from pathlib import Path

import pytest
from joserfc import jwt

from deploy.local.stack.desk import DeskServer
from perdure.client import Platform
from perdure.contracts.runs.listing import RunFilter
from perdure.contracts.tool_calls.decisions import PendingStep
from tests.cli.conftest import Cli
from tests.support.runs.agent_runs import MESSAGE, answer, calls, waits
from tests.support.runs.people import KEY
from tests.support.servers.stub_model import StubModel
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("working")


async def waiting(
    platform: Platform, stub: StubModel, *messages: tuple[str, dict[str, str]]
) -> tuple[str, PendingStep]:
    """Start a run in which one step waits, and return the run and the step."""
    stub.script = [calls(*(messages or (MESSAGE,))), answer()]
    run = await platform.start_agent("Tell them.", agent="tester")
    steps = await waits(platform, run, len(messages) or 1)
    return run, steps[0]


def sent(desk: DeskServer) -> int:
    return sum(desk.desk.received()["messages"].values())


async def test_what_is_approved_is_shown_and_called_once(
    cli: Cli, platform: Platform, stub: StubModel, desk: DeskServer
) -> None:
    run, step = await waiting(platform, stub)
    result = await cli("approve", run, step.step, "--by", "ada", "--yes")
    assert result.code == 0, result.err
    assert result.out == f"approve: {step.step} of {run}, by ada, unverified\n"
    for text in (
        '"text": "Eighteen weeks."',
        '"to": "facilities"',
        f"digest {step.digest[:12]}\n",
        "send_message (at_most_once)",
    ):
        assert text in result.err
    assert (await platform.result(run)).outcome.kind == "answered"
    assert sent(desk) == 1
    second_approval = await cli("approve", run, step.step, "--yes", "--digest", step.digest)
    assert second_approval.code == 6
    assert sent(desk) == 1
    entries = (await cli("show", run, "--json")).json["entries"]
    assert ("approve", step.step, "ada, by update") in [
        (entry["name"], entry["summary"], entry["found"]) for entry in entries if entry["kind"] == "person"
    ]


async def test_a_script_has_to_say_yes(cli: Cli, platform: Platform, stub: StubModel, desk: DeskServer) -> None:
    run, step = await waiting(platform, stub)
    result = await cli("approve", run)
    assert result.code == 2
    assert result.err.splitlines()[-1] == (
        f"perdure: nobody can be asked here whether to approve {step.step}: look at it, and say it with --yes"
    )
    assert await platform.pending(run) == (step,)
    assert sent(desk) == 0
    await platform.cancel(run)


async def test_another_digest_is_rejected_by_the_run_and_kept(cli: Cli, platform: Platform, stub: StubModel) -> None:
    run, step = await waiting(platform, stub)
    result = await cli("approve", run, step.step, "--yes", "--digest", "0" * 64)
    assert (result.code, result.out) == (6, "")
    assert "is another one by now" in result.err
    unknown_step_reply = await cli("approve", run, "call-9-9", "--yes", "--digest", step.digest, "--json")
    assert unknown_step_reply.code == 6
    assert unknown_step_reply.json["came"]["kind"] == "rejected"
    unknown_step = await cli("approve", run, "call-9-9", "--yes")
    assert unknown_step.code == 6
    assert f"what waits is {step.step}" in unknown_step.err
    people = [entry async for entry in platform.timeline(run) if entry.kind.value == "person"]
    assert ["rejected" in entry.found for entry in people] == [True, True, True]
    await platform.cancel(run)


async def test_edited_arguments_are_the_ones_that_are_called(
    cli: Cli, platform: Platform, stub: StubModel, desk: DeskServer
) -> None:
    run, step = await waiting(platform, stub)
    refused = await cli("edit", run, step.step, "--set", "to=5", "--yes")
    assert refused.code == 6
    assert "to" in refused.err.splitlines()[-1]
    result = await cli("edit", run, step.step, "--set", "to=alice", "--yes", "--by", "ada")
    assert result.code == 0, result.err
    assert "with these arguments instead" in result.err
    await platform.result(run)
    [key] = desk.desk.received()["messages"]
    assert desk.desk.became("messages", key)["messages"][0]["to"] == "alice"


async def test_what_is_denied_is_not_called_and_the_model_is_told_why(
    cli: Cli, platform: Platform, stub: StubModel, desk: DeskServer
) -> None:
    run, step = await waiting(platform, stub)
    assert (await cli("deny", run, step.step, "--reason", "Not on a Sunday.", "--yes")).code == 0
    assert (await platform.result(run)).outcome.kind == "answered"
    assert "Not on a Sunday." in json.dumps(stub.requests[-1])
    assert sent(desk) == 0


async def test_an_approval_cannot_be_answered_like_a_lost_call(cli: Cli, platform: Platform, stub: StubModel) -> None:
    run, step = await waiting(platform, stub)
    result = await cli("answer", run, step.step, "--retry", "--yes")
    assert result.code == 2
    assert "waits for an approval: use perdure approve, edit or deny" in result.err
    await platform.cancel(run)


async def test_the_inbox_has_everything_that_waits_in_a_tenant_and_nothing_else(
    cli: Cli, platform: Platform, stub: StubModel
) -> None:
    tenant = f"t{uuid.uuid4().hex[:8]}"
    hidden = ("send_message", {"to": "facilities\u202e", "text": "\x1b[2Jnothing to see"})
    stub.script = [calls(MESSAGE, hidden), answer()]
    run = await platform.start_agent("Tell them.", agent="tester", tenant=tenant)

    async def listed() -> bool:
        runs = await platform.list_runs(RunFilter(tenant=tenant, awaiting=True))
        return [waiting_run.business_id for waiting_run in runs] == [run]

    await until(listed, what="the run is listed")

    async def both_wait() -> bool:
        return len(await platform.pending(run, tenant=tenant)) == 2

    await until(both_wait, what="both calls wait")
    result = await cli("inbox", "--tenant", tenant)
    assert result.code == 0
    rows = [line.split("\t") for line in result.out.splitlines()]
    assert [row[:5] for row in rows] == [
        [run, step, "approval", "tester", "send_message"] for step in ("call-1-1", "call-1-2")
    ]
    # Control characters are escaped, in the inbox and before an approval.
    several = await cli("deny", run, "--tenant", tenant, "--yes")
    assert several.code == 2
    assert "name one of call-1-1, call-1-2" in several.err
    denied = await cli("deny", run, "call-1-2", "--tenant", tenant, "--yes")
    for output in (result.out, denied.err):
        assert "\x1b" not in output
        assert "\u202e" not in output
        assert "\\u202e" in output
    assert (await cli("inbox", "--tenant", "nobody")).err == "nothing waits for a person\n"
    await platform.cancel(run, tenant=tenant)


async def test_a_question_is_answered_in_the_form_that_was_asked_for(
    cli: Cli, platform: Platform, stub: StubModel
) -> None:
    question = ("ask_person", {"question": "Is the pond drained?", "answer": "yes_no"})
    stub.script = [calls(question), answer()]
    run = await platform.start_agent("Look after the pond.", agent="tester")
    [step] = await waits(platform, run)
    refused = await cli("answer", run, step.step, "--did-not-happen", "--yes")
    assert refused.code == 2
    assert "waits for an answer: use perdure answer with its words, or deny" in refused.err
    vague = await cli("answer", run, step.step, "perhaps", "--yes")
    assert (vague.code, vague.out) == (6, "")
    assert "say true or false" in vague.err
    result = await cli("answer", run, step.step, "yes", "--by", "ada", "--yes")
    assert result.code == 0, result.err
    assert "Is the pond drained?" in result.err
    assert (await platform.result(run)).outcome.kind == "answered"
    assert "yes" in json.dumps(stub.requests[-1]["messages"][-1])


async def test_nobody_approves_their_own_run(cli: Cli, platform: Platform, stub: StubModel, desk: DeskServer) -> None:
    stub.script = [calls(MESSAGE), answer()]
    run = (await cli("run", "tester", "Tell them.", "--by", "sam", "--detach")).out.strip()
    [step] = await waits(platform, run)
    own_approval = await cli("approve", run, step.step, "--by", "sam", "--yes")
    assert own_approval.code == 6
    assert "decides: anybody, but sam" in own_approval.err
    assert sent(desk) == 0
    assert (await cli("approve", run, step.step, "--by", "ada", "--yes")).code == 0
    await platform.result(run)
    assert sent(desk) == 1
    late_denial = await cli("deny", run, step.step, "--digest", step.digest, "--by", "ada", "--yes")
    assert late_denial.code == 6
    assert f"run {run!r} is over (completed)" in late_denial.err


async def test_a_signed_decision_counts_as_the_person_who_signed(
    cli: Cli, platform: Platform, stub: StubModel, desk: DeskServer, tmp_path: Path
) -> None:
    run, step = await waiting(platform, stub)
    claims = (await cli("approve", run, "--by", "eve", "--reason", "Why not?", "--claims")).json
    assert (claims["run"], claims["digest"], claims["sub"]) == (f"default:{run}", step.digest, "eve")
    assert await platform.pending(run) == (step,)
    file = tmp_path / "credential.jwt"
    file.write_text(jwt.encode({"alg": "ES256", "kid": KEY.kid}, claims, KEY, algorithms=["ES256"]))
    # A signature covers one exact decision and no other.
    other_decision = await cli("deny", run, "--credential", str(file), "--decision-id", "another", "--yes")
    assert other_decision.code == 6
    assert "another decision" in other_decision.err
    result = await cli("approve", run, "--credential", str(file), "--reason", "Why not?", "--yes")
    assert (result.code, result.out) == (0, f"approve: {step.step} of {run}, by eve\n"), result.err
    await platform.result(run)
    assert sent(desk) == 1
