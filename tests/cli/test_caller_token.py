"""The command line starts a run in the name of the token in the environment; no token is ever an argument."""

import uuid

import pytest
from joserfc.jwk import ECKey
from temporalio.client import Client

from activities.settings import Settings
from perdure.client import Platform
from perdure.contracts.runs.caller import ticket_of
from perdure.contracts.runs.run import AgentRequest
from perdure.errors import UnknownRun
from tests.cli.conftest import Cli
from tests.support.runs.agent_runs import answer
from tests.support.runs.caller_tokens import KEY, believing, token
from tests.support.servers.stub_model import StubModel

pytestmark = pytest.mark.usefixtures("working")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"callers": believing(KEY)})


async def request_of(client: Client, run: str) -> AgentRequest:
    history = await client.get_workflow_handle(f"default:{run}").fetch_history()
    payloads = history.events[0].workflow_execution_started_event_attributes.input.payloads
    return AgentRequest.model_validate_json(payloads[0].data)


async def test_a_run_is_started_by_whom_the_environments_token_names(
    cli: Cli, client: Client, stub: StubModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.script = [answer(), answer()]
    caller_token = token("ada")
    monkeypatch.setenv("PERDURE_TOKEN", caller_token)
    run = str(uuid.uuid4())
    result = await cli("run", "tester", "Do it.", "--id", run)
    assert result.code == 0, result.err
    request = await request_of(client, run)
    assert request.caller == ticket_of(caller_token, f"default:{run}")
    assert request.started_by == "", "the token names the caller, not the user of this machine"
    assert not any(part in result.out + result.err for part in caller_token.split("."))
    shown = (await cli("show", run, "--json")).json["beginning"]
    assert shown == {"task": "Do it.", "starter": "ada", "verified": True}


async def test_without_a_token_it_is_started_by_whoever_says_so(
    cli: Cli, client: Client, stub: StubModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.script = [answer()]
    monkeypatch.setenv("PERDURE_TOKEN", "")
    run = str(uuid.uuid4())
    result = await cli("run", "tester", "Do it.", "--id", run, "--by", "eve")
    assert result.code == 0, result.err
    request = await request_of(client, run)
    assert (request.caller, request.started_by) == (None, "eve")
    assert "task, by eve (unverified):\n  Do it.\n" in (await cli("show", run)).out


async def test_whoever_gives_another_name_than_the_tokens_starts_nothing(
    cli: Cli, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERDURE_TOKEN", token("ada"))
    run = str(uuid.uuid4())
    result = await cli("run", "tester", "Do it.", "--id", run, "--by", "eve")
    assert (result.code, result.out) == (2, "")
    assert result.err == "perdure: started_by: names 'eve', and the caller's token is of 'ada': leave it out\n"
    with pytest.raises(UnknownRun):
        await platform.status(run)


async def test_a_token_that_is_refused_is_one_line_without_it(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign_key = ECKey.generate_key("P-256", parameters={"kid": "callers"})
    for caller_token in (token(key=foreign_key), token(tenant="acme"), "not a token", "nonsense"):
        monkeypatch.setenv("PERDURE_TOKEN", caller_token)
        result = await cli("ask", "Who cleans the pond?")
        assert result.code in (1, 2)
        assert result.err.startswith("perdure: ")
        assert len(result.err.splitlines()) == 1
        assert "token" in result.err
        assert not any(part in result.err for part in caller_token.split("."))


async def test_a_token_on_the_command_line_is_refused_without_being_shown(cli: Cli) -> None:
    caller_token = token()
    result = await cli("--token", caller_token, "list")
    assert result.code == 2
    assert result.err == (
        "perdure: --token: everybody on this machine can read a command line: set PERDURE_TOKEN in the environment\n"
    )


async def test_commands_that_start_nothing_send_no_token(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERDURE_TOKEN", "nonsense")
    result = await cli("list")
    assert result.code == 0, result.err
