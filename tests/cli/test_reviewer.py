"""Who decides sees what it is about, and why, wherever they look: in the inbox, before a decision, and afterwards."""

import uuid

import pytest
from temporalio.client import Client

from activities.settings import Settings
from deploy.local.stack.desk import DeskServer
from perdure.client import Platform
from perdure.contracts.runs.run import AgentRequest
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.decisions import PendingStep
from tests.cli.conftest import Cli
from tests.support.runs.agent_runs import MESSAGE, SUM, answer, calls, waits, write_agent
from tests.support.servers.stub_model import StubModel
from tests.support.terminal import terminal
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("working")

POLICY = '[tools.send_message.policy]\ntimeout = 7200\non_timeout = "deny"\nquorum = 2\nnames = ["ada", "ben", "cyd"]\n'
WORDS = "It is a long leave."
LONG = "Eighteen weeks, and not one day less. " * 30
TASK = "Tell facilities how long the leave is."


@pytest.fixture
def settings(settings: Settings) -> Settings:
    write_agent(
        settings.paths.agents[0], "strict", ("calculator", "create_ticket", "send_message"), "results = []\n", POLICY
    )
    return settings


def address(client: Client) -> str:
    return client.service_client.config.target_host


async def strict_run(platform: Platform, stub: StubModel, text: str = LONG) -> tuple[str, PendingStep]:
    """Start a run of a strict agent, and return it with its step: it waits after a search and an approved ticket."""
    asked = {"content": WORDS, **calls(("send_message", {"to": "facilities", "text": text}))}
    stub.script = [calls(SUM), asked, answer()]
    run = await platform.start_agent(TASK, agent="strict", started_by="sam", business_id=uuid.uuid4().hex[:8])
    [step] = await waits(platform, run)
    return run, step


async def test_all_that_a_decision_needs_is_in_the_inbox_before_a_decision_and_in_show(
    cli: Cli, client: Client, platform: Platform, stub: StubModel
) -> None:
    run, step = await strict_run(platform, stub)
    needed = [TASK, "by sam (unverified)", WORDS, "42", "0 of 2 agree", "it is denied in 1h", step.digest[:12]]

    async def listed() -> bool:
        return any(entry.business_id == run for entry in await platform.inbox("default"))

    await until(listed, what="the step is in the inbox")
    shown = (await cli("show", run)).out
    asked = (await cli("approve", run)).err
    for text in needed:
        assert text in shown, text
        assert text in asked, text
    for complete in (shown, asked):
        assert LONG in complete, "the arguments are not cut"
        assert "calculator" in complete
        assert step.digest not in complete, "a short digest"
    for columns in (80, 32):
        async with terminal(address(client), "inbox", columns=columns) as screen:
            assert await screen.ended() == 0
            inbox = " ".join((await screen.until("perdure approve")).split())
        for text in needed:
            assert text in inbox, (columns, text)
        assert f"[400 of {len(step.arguments.body or ''):,} characters: perdure show {run}]" in inbox
        told = [line for line in screen.shown.splitlines() if line.startswith("  ") and "perdure" not in line]
        assert max(map(len, told)) <= columns, "text is wrapped between words, and a command is left whole"
    [entry] = [one for one in (await cli("inbox", "--json")).json if one["business_id"] == run]
    assert entry["step"]["digest"] == step.digest
    assert entry["step"]["briefing"]["task"]["text"] == TASK
    await platform.cancel(run)


async def test_the_next_person_sees_who_has_agreed_and_what_was_decided_before(
    cli: Cli, platform: Platform, stub: StubModel, desk: DeskServer
) -> None:
    run, step = await strict_run(platform, stub, "Short.")
    await cli("edit", run, step.step, "--set", "text=Shorter.", "--by", "ada", "--yes", "--reason", "It is long.")
    late = await cli("approve", run, step.step, "--by", "ben", "--yes", "--digest", step.digest[:12])
    assert late.code == 6
    assert "'ada' has changed its arguments" in late.err
    seen = await cli("approve", run, step.step, "--by", "ben", "--yes")
    assert seen.code == 0, seen.err
    assert "1 of 2 agree (ada, unverified)" in seen.err
    assert f"{step.step} send_message: approve, with other arguments, by ada, unverified" in seen.err
    assert "Shorter." in seen.err
    await platform.result(run)
    assert sum(desk.desk.received()["messages"].values()) == 1


async def test_who_started_a_run_with_a_long_task_is_shown_and_the_cut_is_stated(
    cli: Cli, platform: Platform, stub: StubModel
) -> None:
    task = "Tell them. " * 1000
    stub.script = [calls(MESSAGE), answer()]
    run = await platform.start_request(AgentRequest(task=Text.of(task), agent="tester"))
    await waits(platform, run)
    shown = await cli("show", run)
    assert f"[{len(task) - 2000:,} more characters: --json has all]" in shown.out
    assert f"task, by nobody known: [{len(task) - 600:,} more characters]" in shown.out
    assert (await cli("show", run, "--json")).json["beginning"]["task"] == task
    await platform.cancel(run)


HOSTILE = "\x1b]0;title\x07\u202eevil\u2066[red]x[/red]\r\x1b[2J```\n</details>"


async def test_hostile_texts_of_a_task_of_words_and_of_arguments_move_no_cursor(
    cli: Cli, client: Client, platform: Platform, stub: StubModel
) -> None:
    asked = {"content": HOSTILE, **calls(("send_message", {"to": "x", "text": HOSTILE}))}
    stub.script = [asked, answer()]
    task = HOSTILE.replace("\x1b", "").replace("\x07", "").replace("\r", "")  # a task with control codes is refused
    run = await platform.start_agent(task, agent="tester", tenant="hostile", started_by="\u202esam")

    async def listed() -> bool:
        return any(entry.step is not None for entry in await platform.inbox("hostile"))

    await until(listed, what="the step is in the inbox")
    async with terminal(address(client), "inbox", "--tenant", "hostile") as screen:
        await screen.ended()
        shown = await screen.until("perdure approve")
    for output in (shown, (await cli("show", run, "--tenant", "hostile")).out):
        assert not {"\x1b", "\x07", "\u202e", "\u2066"} & set(output)
        assert "[red]x[/red]" in output
        assert "\\u202e" in output
    await platform.cancel(run, tenant="hostile")
