"""The exact prompt of a paid step is rebuilt from a real run's history, and compared with the digest in its reply."""

import asyncio
import hashlib
import json
import shutil
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from temporalio.client import Client

from activities.ports import Message, Prompt, ToolCall
from activities.prompts import paid_steps
from activities.prompts.agent import prompt_of, turn_text
from activities.settings import ROOT, Settings
from activities.settings import load as load_settings
from deploy.cli.app import main
from perdure.client import Platform, workflow_id
from perdure.contracts.runs.run import ExtractRequest
from perdure.contracts.text import BODY_LIMIT
from perdure.errors import RunFailed
from tests.replay.scenarios import INVOICE, reading
from tests.support.runs.agent_runs import SUM, answer, calls, with_agents, write_agent
from tests.support.servers.stub_model import StubModel

pytestmark = pytest.mark.usefixtures("working")

LARGE = "Eighteen weeks. " * 6_000
"""96,000 characters: from 64 KiB on a body is not in the history."""

LARGE_TICKET = ("create_ticket", {"title": "Leave", "text": LARGE})

Show: TypeAlias = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    agents = tmp_path / "agents"
    shutil.copytree(ROOT / "agents", agents)
    write_agent(agents, more="results = []\n")  # a guard that is slow on a busy machine would end the run
    return with_agents(settings, agents)


@pytest.fixture
def show(
    settings: Settings, client: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Show]:
    """Run the command as a user does, beside the workers; return its exit code and its output."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", client.service_client.config.target_host)
    monkeypatch.setenv("PERDURE_PATHS__STATE", str(settings.paths.state))
    monkeypatch.setenv("COLUMNS", "200")

    async def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        load_settings.cache_clear()  # a process reads its environment once, and this is another command
        code = await asyncio.to_thread(main, ["evals", "show-prompt", *arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    yield run
    load_settings.cache_clear()


async def counted(platform: Platform, stub: StubModel) -> str:
    """A run of two thoughts with calls and an answer."""
    stub.script = [calls(SUM, ("search_knowledge", {"query": "parental leave"})), calls(SUM), answer()]
    return await finished(platform)


async def finished(platform: Platform) -> str:
    run = await platform.start_agent("Count them.", agent="tester")
    await platform.result(run)
    return run


async def test_every_thought_of_an_agent_is_shown_as_it_was_sent(
    platform: Platform, stub: StubModel, show: Show
) -> None:
    run = await counted(platform, stub)
    for number in (1, 2, 3):
        code, out, err = await show(run, f"think-{number}")
        assert (code, err) == (0, "")
        assert "digest matches: " in out
        assert "Count them." in out
        assert ("result of call-1-1" in out) == (number > 1)
    assert "tool calculator" in out


async def test_what_is_printed_as_json_is_what_the_model_was_sent(
    platform: Platform, stub: StubModel, show: Show
) -> None:
    run = await counted(platform, stub)
    code, out, _ = await show(run, "think-3", "--json")
    report = json.loads(out)
    assert code == 0
    assert report["matches"] is True
    assert report["digest"] == report["recorded"]
    assert [message["role"] for message in report["messages"]] == [
        *("system", "user", "assistant", "tool", "tool", "assistant", "tool")
    ]
    messages = json.dumps(stub.requests[-1]["messages"])
    for message in report["messages"]:
        assert json.dumps(message["content"])[1:-1] in messages


async def test_a_body_that_is_not_in_the_history_comes_from_the_store(
    platform: Platform, stub: StubModel, show: Show, client: Client
) -> None:
    run = await with_a_large_turn(platform, stub)
    history = await client.get_workflow_handle(workflow_id("default", run)).fetch_history()
    assert len(LARGE) > BODY_LIMIT
    assert LARGE[:1000] not in history.to_json()
    assert not any(LARGE[:1000].encode() in event.SerializeToString() for event in history.events)
    code, out, _ = await show(run, "think-2", "--json")
    assert code == 0
    assert LARGE in json.dumps(json.loads(out)["messages"])


async def test_a_body_that_was_changed_in_the_store_is_one_line_and_no_prompt(
    platform: Platform, stub: StubModel, show: Show, settings: Settings
) -> None:
    run = await with_a_large_turn(platform, stub)
    sql(settings, "update bodies set body = ? where digest = ?", b"tampered", large_turn())
    code, out, err = await show(run, "think-2")
    assert (code, out) == (1, "")
    assert "turn 2 from its end, a turn of the assistant" in err
    assert "was changed in the database" in err
    assert err.count("\n") == 1


async def test_a_body_that_was_forgotten_is_one_line_and_no_prompt(
    platform: Platform, stub: StubModel, show: Show, settings: Settings
) -> None:
    run = await with_a_large_turn(platform, stub)
    sql(settings, "delete from bodies where digest = ?", large_turn())
    code, out, err = await show(run, "think-2")
    assert (code, out) == (1, "")
    assert "has no text" in err
    assert err.count("\n") == 1


async def test_a_prompt_that_is_made_otherwise_by_now_names_both_digests(
    platform: Platform, stub: StubModel, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await counted(platform, stub)
    _, out, _ = await show(run, "think-2", "--json")
    recorded = json.loads(out)["recorded"]

    def otherwise(*of: Any) -> Prompt:
        prompt = prompt_of(*of)
        return Prompt([*prompt.messages, Message("user", "Be quick.")], tools=prompt.tools)

    monkeypatch.setattr(paid_steps, "prompt_of", otherwise)
    code, out, err = await show(run, "think-2")
    assert code == 1
    assert "Be quick." in out
    assert f"digest differs: the reply names {recorded}, but what is rebuilt has " in err
    _, out, _ = await show(run, "think-2", "--json")
    assert json.loads(out)["digest"] in err
    assert json.loads(out)["matches"] is False


async def test_a_chains_answer_and_its_repair_are_shown_too(platform: Platform, stub: StubModel, show: Show) -> None:
    stub.script = ["malformed", "answer"]
    run = await platform.start("How many weeks of parental leave are paid in full?")
    await platform.result(run)
    for step in ("generate", "generate-repair-1"):
        code, out, _ = await show(run, step)
        assert code == 0
        assert "digest matches: " in out
        assert "the reply's schema" in out
        assert ("this is not JSON" in out) == (step == "generate-repair-1")


async def test_an_extractions_reading_and_its_repair_are_shown_too(
    platform: Platform, stub: StubModel, show: Show
) -> None:
    stub.script = ["malformed", {"content": reading()}]
    fields = {"schema_name": "invoice", "file": {"text": INVOICE}}
    run = await platform.start_request(ExtractRequest.strictly(fields))
    await platform.result(run)
    for step in ("extract", "extract-repair-1"):
        code, out, _ = await show(run, step)
        assert code == 0
        assert "digest matches: " in out


async def test_a_step_that_there_is_not_is_answered_with_those_that_there_are(
    platform: Platform, stub: StubModel, show: Show
) -> None:
    run = await counted(platform, stub)
    code, out, err = await show(run, "think-9")
    assert (code, out) == (2, "")
    assert err == (
        f"perdure: the run {run!r} has no paid step 'think-9': its paid steps are think-1, think-2, think-3\n"
    )


async def test_a_run_is_its_tenants_alone(platform: Platform, stub: StubModel, show: Show) -> None:
    run = await counted(platform, stub)
    code, out, err = await show(run, "think-1", "--tenant", "other")
    assert (code, out, err) == (1, "", f"perdure: tenant 'other' has no run {run!r}\n")


async def test_a_step_without_a_reply_is_shown_and_not_said_to_match(
    platform: Platform, stub: StubModel, show: Show
) -> None:
    stub.script = ["400"]
    run = await platform.start_agent("Count them.", agent="tester")
    with pytest.raises(RunFailed):
        await platform.result(run)
    code, out, err = await show(run, "think-1")
    assert code == 1
    assert "Count them." in out
    assert err.startswith("perdure: no digest to check: attempt 1 failed: ")


async def test_the_attempt_that_replied_is_the_one_that_is_shown(
    platform: Platform, stub: StubModel, show: Show
) -> None:
    stub.script = ["503", answer()]
    run = await finished(platform)
    code, out, _ = await show(run, "think-1", "--json")
    assert (code, json.loads(out)["attempt"]) == (0, 2)


async def test_an_exported_history_stands_for_its_run(
    platform: Platform, stub: StubModel, show: Show, client: Client, tmp_path: Path
) -> None:
    run = await counted(platform, stub)
    file = tmp_path / "history.json"
    file.write_text((await client.get_workflow_handle(workflow_id("default", run)).fetch_history()).to_json())
    code, out, _ = await show(str(file), "think-3")
    assert code == 0
    assert "digest matches: " in out


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"events": [7]}', '{"events": [{"eventType": 7}]}', "\x00"])
async def test_a_file_that_is_no_history_is_one_line(show: Show, tmp_path: Path, content: str) -> None:
    file = tmp_path / "history.json"
    file.write_text(content)
    code, out, err = await show(str(file), "think-1")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1


async def test_where_there_is_no_database_none_is_made(
    platform: Platform, stub: StubModel, show: Show, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await with_a_large_turn(platform, stub)
    monkeypatch.setenv("PERDURE_PATHS__STATE", str(tmp_path / "elsewhere"))
    code, out, err = await show(run, "think-2")
    assert (code, out) == (1, "")
    assert "there is no database at" in err
    assert not (tmp_path / "elsewhere").exists()


async def test_what_a_model_wrote_steers_no_terminal(platform: Platform, stub: StubModel, show: Show) -> None:
    stub.script = [calls(("no\x1b[2Jtool", {"a": "\x1b]0;title\x07"})), answer()]
    run = await finished(platform)
    _, out, _ = await show(run, "think-2")
    assert "\\u001b]0;title" in out
    assert "\x1b" not in out


async def with_a_large_turn(platform: Platform, stub: StubModel) -> str:
    """A run whose model writes more in one turn than a history stores."""
    stub.script = [calls(LARGE_TICKET), answer()]
    return await finished(platform)


def large_turn() -> str:
    """Return the digest of that turn."""
    call = ToolCall("call-1-1", "create_ticket", json.dumps(dict(LARGE_TICKET[1])))
    return hashlib.sha256(turn_text("", [call]).encode()).hexdigest()


def sql(settings: Settings, statement: str, *values: object) -> None:
    """Change the database directly."""
    with closing(sqlite3.connect(settings.paths.state / "perdure.db", timeout=20)) as database, database:
        assert database.execute(statement, values).rowcount == 1
