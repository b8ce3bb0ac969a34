"""A call with an unknown outcome is made again only with evidence that it will never happen, not after any time."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.testing import ActivityEnvironment

from activities.adapters.databases.database import Database
from activities.adapters.databases.sqlite_database import open_sqlite
from activities.adapters.documents.files import FileDocuments
from activities.adapters.web.named_services import NamedServices
from activities.adapters.web.public_web import PublicWeb
from activities.adapters.web.tool_http import ToolHttp
from activities.ports import StorageFailed
from activities.settings import Tools
from activities.waiting import elapsed
from deploy.local.stack.desk import Desk, DeskServer
from perdure.contracts.agents.steps import Act, Acted, Again, AskPerson, CallAnswered
from perdure.contracts.tool_calls.ledger import CallPhase, Source
from perdure.contracts.tool_calls.outcome import Happened, ToolOutcome
from tests.support.tool_calls.effects import KEY, Failing, UnpricedLedger, Worker, worker
from tests.support.waiting import until
from tools.base import Tool, ToolArguments, ToolContext, ToolEffect, tool
from tools.errors import NoAnswer
from tools.evidence import CannotTellYet, DidHappen, Evidence, NeverWill
from tools.send_message import send_message


class What(ToolArguments):
    """What to write."""

    what: str


class World:
    """The calls that were made, and the evidence that the other side gives about them."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.reconciled: list[int] = []
        self.evidence: Evidence = NeverWill()

    def tool(self, timeout: float = 0.2, settles: float | None = 0.0, doubts: int = 1) -> Tool[Any]:
        """Return a tool whose first calls end without an answer."""

        async def reconcile(context: ToolContext) -> Evidence:
            self.reconciled.append(context.attempt)
            return self.evidence

        async def write(context: ToolContext, asked: What) -> str:
            """Write."""
            self.calls.append(context.attempt)
            if len(self.calls) <= doubts:
                raise NoAnswer("the line went dead")
            return f"wrote {asked.what}"

        within = None if settles is None else timedelta(seconds=settles)
        decorated = tool(
            ToolEffect.AT_MOST_ONCE, timeout=timedelta(seconds=timeout), reconcile=reconcile, settles_within=within
        )
        return decorated(write)


@pytest.fixture
def world() -> World:
    return World()


@pytest_asyncio.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = open_sqlite(tmp_path / "calls.db")
    yield database
    await database.dispose()


def outcome(acted: Acted) -> ToolOutcome:
    assert isinstance(acted.came, CallAnswered), acted.came
    return acted.came.outcome


async def within(seconds: float, here: Worker, ask: Act) -> Acted:
    """Run an attempt whose activity has this much time."""
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, start_to_close_timeout=timedelta(seconds=seconds))
    return await environment.run(here.acting.act, ask)


async def test_only_what_happened_or_never_will_changes_anything(database: Database, world: World) -> None:
    here = worker(database, world.tool())
    await here.act(1, "write")
    world.evidence = CannotTellYet("no record\nof it")
    for attempt in (2, 3):
        again = (await here.act(attempt, "write")).came
        assert isinstance(again, Again)
        assert again.reason.endswith("what became of it is not known yet: no record of it")
    record = await here.ledger.look(KEY)
    assert record is not None
    assert record.phase is CallPhase.UNKNOWN
    world.evidence = NeverWill()
    assert isinstance((await here.act(4, "write")).came, Again)
    assert outcome(await here.act(5, "write")).happened is Happened.YES
    assert (world.calls, world.reconciled) == ([1, 5], [1, 1, 1])


async def test_what_happened_is_the_outcome_and_is_not_called_again(database: Database, world: World) -> None:
    here = worker(database, world.tool())
    await here.act(1, "write")
    world.evidence = DidHappen("it is number 7")
    result = outcome(await here.act(2, "write"))
    assert (result.happened, "it is number 7" in await here.text_of(result)) == (Happened.YES, True)
    assert outcome(await here.act(3, "write")).result.digest == result.result.digest
    assert world.calls == [1]
    record = await here.ledger.look(KEY)
    assert record is not None
    assert [event.decision.source for event in record.events if event.decision] == [Source.RECONCILE]


@pytest.mark.parametrize("settles", [None, 30.0])
async def test_never_will_is_not_believed_before_the_call_can_have_settled(
    database: Database, world: World, monkeypatch: pytest.MonkeyPatch, settles: float | None
) -> None:
    tool, now = world.tool(timeout=10, settles=settles), elapsed.elapsed()
    await worker(database, tool).act(1, "write")
    other = worker(database, tool)
    for later in (0, 10, 24):
        monkeypatch.setattr(elapsed, "elapsed", lambda later=later: now + later)
        again = (await other.act(2, "write")).came
        assert isinstance(again, Again), f"{later} s after this process has seen the intent"
        assert "it may still happen" in again.reason
    monkeypatch.setattr(elapsed, "elapsed", lambda: now + 31)
    assert "it did not happen" in str((await other.act(3, "write")).came)
    fresh = worker(database, tool)
    assert outcome(await fresh.act(4, "write")).happened is Happened.YES


async def test_another_process_waits_from_when_it_has_seen_the_intent_itself(
    database: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool, now = world.tool(timeout=10, settles=None), elapsed.elapsed()
    await worker(database, tool).act(1, "write")
    monkeypatch.setattr(elapsed, "elapsed", lambda: now + 3600)
    assert isinstance((await worker(database, tool).act(2, "write")).came, Again)
    assert isinstance((await worker(database, tool).act(3, "write")).came, Again)
    assert world.calls == [1]


async def test_an_attempt_waits_within_its_activitys_time_and_no_longer(database: Database, world: World) -> None:
    here = worker(database, world.tool(settles=1.5))
    await here.act(1, "write")
    hurried = await within(elapsed.ENDING, here, await here.request(2, "write"))
    assert isinstance(hurried.came, Again)
    assert "it may still happen, for" in hurried.came.reason
    patient = await within(30, here, await here.request(3, "write"))
    assert isinstance(patient.came, Again)
    assert patient.came.reason.endswith("it did not happen")
    assert len(world.reconciled) > 2
    assert world.calls == [1]


async def test_what_came_of_a_call_is_told_to_a_ledger_that_was_away_meanwhile(
    database: Database, world: World
) -> None:
    ledger = UnpricedLedger(database)
    tries: list[int] = []

    def away() -> bool:
        tries.append(1)
        return len(tries) < 4

    failing: Any = Failing(ledger, "record", StorageFailed("away"), fails=away)
    here = worker(database, world.tool(doubts=0), ledger=failing)
    assert outcome(await within(30, here, await here.request(1, "write"))).happened is Happened.YES
    record = await ledger.look(KEY)
    assert record is not None
    assert (record.phase, len(tries), world.calls) == (CallPhase.DONE, 4, [1])


async def test_where_the_ledger_stays_away_the_attempt_is_not_free_and_the_call_is_found_out_later(
    database: Database, world: World
) -> None:
    failing: Any = Failing(UnpricedLedger(database), "record", StorageFailed("away"))
    here = worker(database, world.tool(doubts=0), ledger=failing)
    with pytest.raises(StorageFailed) as away:
        await within(elapsed.ENDING + 0.3, here, await here.request(1, "write"))
    assert not away.value.free_of_charge
    world.evidence = DidHappen("it is there")
    assert outcome(await worker(database, world.tool()).act(2, "write")).happened is Happened.YES
    assert world.calls == [1]


async def test_with_nobody_to_ask_a_person_is_asked_at_once_and_sees_what_it_was(
    database: Database, world: World
) -> None:
    here = worker(database, replace(world.tool(), reconcile=None, settles_within=None))
    answer = (await here.act(1, "write")).came
    assert isinstance(answer, AskPerson)
    assert answer.arguments is not None
    assert answer.arguments.body == '{"what": "x"}'
    assert answer.reason == "write gave no result: the line went dead"


class LateDesk(Desk):
    """A desk that accepts a message at once and sends it later, unless it was cancelled in between."""

    def take(self, kind: str, key: str, fields: Any, attempt: int = 0) -> Any:
        time.sleep(1.2)
        return super().take(kind, key, fields, attempt)


@pytest.mark.parametrize("attempts", [3, 5])
async def test_a_desk_that_is_slower_than_the_tool_never_sends_a_message_twice(
    database: Database, tmp_path: Path, attempts: int
) -> None:
    with DeskServer(0, tmp_path / "desk.db") as server:
        server.desk = LateDesk(tmp_path / "desk.db")
        http = ToolHttp(
            PublicWeb(FileDocuments()), NamedServices(Tools(services={"desk": server.url}, timeout_seconds=0.4))
        )
        here = worker(database, send_message, http=http)
        for attempt in range(1, attempts + 1):
            acted = await here.act(attempt, "send_message", values={"to": "bob", "text": "pay 100"})
            assert isinstance(acted.came, Again)
        posted = (attempts + 1) // 2
        await until(
            lambda: server.desk.received()["messages"] == {KEY.idempotency_key: posted}, what="it has taken them all"
        )
        messages = len(server.desk.kept()["messages"])
        assert messages <= 1, "each was ended before the next was sent, and the last may still be in doubt"
        last = await here.ledger.look(KEY)
        assert last is not None
        assert last.phase is CallPhase.UNKNOWN
