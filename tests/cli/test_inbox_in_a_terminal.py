"""`perdure inbox` in a real terminal: it tells what comes and goes, and one key decides what is shown."""

import asyncio
import json
import signal
import uuid

import pytest
from temporalio.client import Client

from activities.settings import Settings
from deploy.local.stack.desk import DeskServer
from perdure.client import Platform
from perdure.contracts.tool_calls.decisions import Ruling
from tests.cli.conftest import Cli
from tests.support.runs.agent_runs import answer, calls, says, write_agent
from tests.support.servers.stub_model import StubModel
from tests.support.terminal import terminal
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("working")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    write_agent(settings.paths.agents[0], "teller", ("send_message", "ask_person"), "results = []\n")
    return settings


async def waiting_run(platform: Platform, stub: StubModel, tenant: str, *texts: str) -> str:
    """Start a run in which a message with each text waits, and return it once the inbox has them."""
    stub.script = [calls(*(("send_message", {"to": "facilities", "text": text}) for text in texts)), answer()]
    run = await platform.start_agent("Tell them.", agent="teller", tenant=tenant, started_by="sam")

    async def listed() -> bool:
        return len([entry for entry in await platform.inbox(tenant) if entry.business_id == run]) == len(texts)

    await until(listed, what="the inbox has the steps")
    return run


async def test_one_key_decides_what_is_shown_and_a_key_that_was_pressed_before_decides_nothing(
    client: Client, platform: Platform, stub: StubModel, desk: DeskServer
) -> None:
    tenant = f"t{uuid.uuid4().hex[:8]}"
    run = await waiting_run(platform, stub, tenant, "one", "two", "three")
    address = client.service_client.config.target_host
    async with terminal(address, "approve", "--tenant", tenant, "--by", "ada") as screen:
        screen.press("aaa")  # nothing is shown yet
        shown = await screen.until("[q] quit > ")
        assert '"text": "one"' in shown
        assert "3 to decide" in shown
        assert "approve:" not in shown
        for no_key in ("aa", "\x1b[A", "x"):  # pasted, an arrow, and one that is not offered
            screen.press(no_key)
            await screen.until("\a")
        screen.press("a")
        shown = await screen.until("[q] quit > ")
        assert f"approve: call-1-1 of {run}, by ada, unverified" in shown
        assert '"text": "two"' in shown
        screen.press("e")
        await screen.until("NAME=VALUE")
        screen.press("text=2\n")
        await screen.until("NAME=VALUE")
        screen.press("\n")
        assert '"text": 2' in await screen.until("[n] leave it > ")
        screen.press("n")
        await screen.until("[q] quit > ")
        screen.press("d")
        await screen.until("why? the model is told")
        screen.press("Not today.\n")
        shown = await screen.until("[q] quit > ")
        assert "deny: call-1-2" in shown
        screen.press("s")
        assert "2 decided" in await screen.until("decided")
        assert await screen.ended() == 0
    [left] = await platform.pending(run, tenant=tenant)
    assert left.step == "call-1-3"
    assert [(one.step, one.ruling, one.reason) for one in left.decided] == [
        ("call-1-1", Ruling.APPROVE, ""),
        ("call-1-2", Ruling.DENY, "Not today."),
    ]
    await platform.decide(run, says(left, Ruling.DENY), tenant=tenant)
    await platform.result(run, tenant=tenant)
    assert sum(desk.desk.received()["messages"].values()) == 1


async def test_a_watched_inbox_tells_what_comes_and_who_decided_what_went_and_only_of_its_tenant(
    client: Client, platform: Platform, stub: StubModel
) -> None:
    tenant, other = f"t{uuid.uuid4().hex[:8]}", f"t{uuid.uuid4().hex[:8]}"
    address = client.service_client.config.target_host
    async with (
        terminal(address, "inbox", "--watch", "--every", "1s", "--bell", "--tenant", tenant) as screen,
        terminal(address, "inbox", "--watch", "--every", "1s", "--json", "--tenant", tenant, columns=1000) as lines,
    ):
        await screen.until("watching the inbox")
        hidden = await waiting_run(platform, stub, other, "theirs")
        run = await waiting_run(platform, stub, tenant, "Eighteen weeks.\x1b[2J")
        shown = await screen.until("digest")
        assert "new" in shown
        assert "call-1-1" in shown
        assert "by sam (unverified)" in shown
        assert "\\u001b[2J" in shown
        assert "theirs" not in shown
        await lines.until('"new"')
        [step] = await platform.pending(run, tenant=tenant)
        await platform.decide(run, says(step, Ruling.DENY, by="ben"), tenant=tenant)
        shown = await screen.until("by update")
        assert "gone" in shown
        assert "deny, ben" in shown
        await lines.until("by update")
        for watching in (screen, lines):
            watching.process.send_signal(signal.SIGINT)
            assert await watching.ended() == 130
        first, second = (json.loads(line) for line in lines.shown.splitlines() if line.startswith("{"))
    assert (first["news"], first["entry"]["step"]["digest"]) == ("new", step.digest)
    assert (second["news"], second["how"].split(",")[:2]) == ("gone", ["deny", " ben"])
    await platform.cancel(hidden, tenant=other)
    await asyncio.gather(platform.result(run, tenant=tenant), platform.result(hidden, tenant=other))


async def test_without_a_terminal_nothing_is_decided_by_keys(cli: Cli) -> None:
    for arguments in (("approve",), ("inbox", "--decide")):
        result = await cli(*arguments, stdin=b"a\n")
        assert result.code == 2
        assert "only in a terminal" in result.err
