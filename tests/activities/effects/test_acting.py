"""A call that changes the world is made once, and never after the run was told that it was not made."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.testing import ActivityEnvironment

from activities.adapters.databases.database import Database
from activities.adapters.databases.sqlite_database import open_sqlite
from activities.adapters.sql.blobs import SqlBlobs
from activities.ports import Fresh, Permission, PortError, StorageFailed, StorageFull
from activities.tool_calls.outcomes import intended
from activities.waiting import elapsed
from perdure.contracts.agents.steps import Acted, Again, AskPerson, CallAnswered
from perdure.contracts.budget import NOTHING, Spend
from perdure.contracts.chains.steps import StepKey
from perdure.contracts.fault import Remedy
from perdure.contracts.guards import GuardAction, GuardSpec, Verdict
from perdure.contracts.tool_calls.ledger import CallPhase, IntendedCall
from perdure.contracts.tool_calls.outcome import Happened, ToolEnded, ToolOutcome
from tests.support.tool_calls.effects import KEY, Failing, UnpricedLedger, worker
from tools.base import ToolArguments, ToolContext, ToolEffect, tool
from tools.errors import NoAnswer

WRITTEN: list[str] = []


class What(ToolArguments):
    """What to write."""

    what: str


@tool(ToolEffect.AT_MOST_ONCE)
async def write(_: ToolContext, arguments: What) -> str:
    """Write."""
    WRITTEN.append(arguments.what)
    if arguments.what == "lost":
        raise NoAnswer("the line went dead")
    return f"wrote {arguments.what}"


@tool(ToolEffect.READ_ONLY)
async def read(_: ToolContext, arguments: What) -> str:
    """Read."""
    return arguments.what


@pytest_asyncio.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    WRITTEN.clear()
    database = open_sqlite(tmp_path / "calls.db")
    yield database
    await database.dispose()


def outcome(acted: Acted) -> ToolOutcome:
    assert isinstance(acted.came, CallAnswered), acted.came
    return acted.came.outcome


class Blocking:
    """A guard that blocks every text."""

    async def run(self, guards: object, subject: object) -> tuple[Verdict, ...]:
        del guards, subject
        kept_back = GuardAction.BLOCK
        return (
            Verdict(guard="secrets_present", action=kept_back, passed=False, reason="it holds a key", milliseconds=1),
        )


CHANGED = replace(write, description="Another edition.")


@pytest.mark.parametrize(
    ("newer", "attempted", "ended"),
    [
        ({"tools": {}}, {}, ToolEnded.TOOL_CHANGED),
        ({"tools": {"write": CHANGED}}, {}, ToolEnded.TOOL_CHANGED),
        ({"arguments": (GuardSpec(guard="secrets_present"),), "guards": Blocking()}, {}, ToolEnded.REJECTED),
        ({}, {"values": {"what": 7}}, ToolEnded.REJECTED),
        ({}, {"missing": ("read",)}, ToolEnded.TOO_EARLY),
        ({}, {"call_off": True}, ToolEnded.CALLED_OFF),
        ({"tools": {}}, {"values": {"what": 7}, "call_off": True, "missing": ("read",)}, ToolEnded.CALLED_OFF),
    ],
)
@pytest.mark.parametrize("attempt", [1, 2])
async def test_whatever_ends_a_call_as_not_called_keeps_a_late_attempt_from_calling(
    database: Database, newer: dict[str, Any], attempted: dict[str, Any], ended: ToolEnded, attempt: int
) -> None:
    result = outcome(await worker(database, write, **newer).act(attempt, "write", **attempted))
    assert (result.ended, result.happened) == (ended, Happened.NO)
    for late in (1, 2, 3):
        late_outcome = outcome(await worker(database, write).act(late, "write", values=attempted.get("values")))
        assert late_outcome.happened is Happened.NO
    assert WRITTEN == []


async def test_the_ledger_answers_for_an_earlier_attempt_also_where_the_tool_is_gone(
    database: Database,
) -> None:
    here, newer = worker(database, write), worker(database, tools={}, granted={"write": write})
    await here.act(1, "write")
    assert outcome(await newer.act(2, "write")).happened is Happened.YES
    other = KEY.model_copy(update={"step": "call-1-2"})
    await here.act(1, "write", other, values={"what": "lost"})
    acted = await newer.act(2, "write", other, values={"what": "lost"})
    assert isinstance(acted.came, AskPerson)
    off = await newer.act(3, "write", other, values={"what": "lost"}, call_off=True)
    assert isinstance(off.came, AskPerson)


async def test_a_run_that_fails_calls_off_what_it_may_resume_and_only_a_later_attempt_calls_then(
    database: Database,
) -> None:
    here = worker(database, write)
    result = outcome(await here.act(2, "write", call_off=True, may_resume=True))
    assert (result.ended, result.happened) == (ToolEnded.CALLED_OFF, Happened.NO)
    for late in (1, 2):
        assert isinstance((await here.act(late, "write")).came, Again)
    assert WRITTEN == []
    assert outcome(await here.act(3, "write")).happened is Happened.YES
    assert WRITTEN == ["x"]


@pytest.mark.parametrize(
    ("before", "happened", "sentence"),
    [
        ("done", Happened.YES, "and that was done"),
        ("unknown", Happened.UNKNOWN, "and nobody knows whether that happened"),
        ("in flight", Happened.UNKNOWN, "and nobody knows whether that happened"),
        ("called off", Happened.NO, "and that did not happen"),
        ("resumable", Happened.NO, "and that did not happen"),
    ],
)
@pytest.mark.parametrize("call_off", [False, True])
async def test_a_key_that_stands_for_another_call_is_told_with_what_is_known_of_that_one_and_nothing_is_called(
    database: Database, before: str, happened: Happened, sentence: str, *, call_off: bool
) -> None:
    here, first = worker(database, write), {"what": "lost" if before == "unknown" else "pay ALICE"}
    match before:
        case "done" | "unknown":
            await here.act(1, "write", values=first)
        case "in flight":
            ask = await here.request(1, "write", values=first)
            await here.ledger.intend(KEY, 1, intended(write.spec(), ask.arguments))
        case _:
            await here.act(1, "write", values=first, call_off=True, may_resume=before == "resumable")
    calls_before = len(WRITTEN)
    for attempt in (1, 2, 7):
        result = outcome(await here.act(attempt, "write", values={"what": "pay BOB"}, call_off=call_off))
        assert (result.ended, result.happened) == (ToolEnded.SUPERSEDED, happened)
        text = await here.text_of(result)
        line, fenced_in = text.split("\n", 1)
        assert sentence in line
        assert first["what"] not in line
        assert first["what"] in fenced_in
        if before == "done":
            assert "wrote pay ALICE" in fenced_in
    assert len(WRITTEN) == calls_before


async def test_a_process_that_stood_still_gives_its_permission_back_and_the_next_attempt_calls(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Frozen(UnpricedLedger):
        async def intend(self, key: StepKey, attempt: int, call: IntendedCall, price: Spend = NOTHING) -> Permission:
            permission = await super().intend(key, attempt, call, price)
            if isinstance(permission, Fresh) and attempt == 1:
                now = elapsed.elapsed()
                monkeypatch.setattr(elapsed, "elapsed", lambda: now + 3600)
            return permission

    here = worker(database, write, ledger=Frozen(database))
    acted = await here.act(1, "write")
    assert isinstance(acted.came, Again)
    assert "stood still for 3600 s" in acted.came.reason
    assert acted.charges == {1: Spend()}
    assert WRITTEN == []
    assert outcome(await here.act(2, "write")).happened is Happened.YES
    assert WRITTEN == ["x"]


async def test_waiting_for_the_ledger_does_not_count_as_standing_still(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Busy(UnpricedLedger):
        async def intend(self, key: StepKey, attempt: int, call: IntendedCall, price: Spend = NOTHING) -> Permission:
            now = elapsed.elapsed()
            monkeypatch.setattr(elapsed, "elapsed", lambda: now + 3600)
            return await super().intend(key, attempt, call, price)

    acted = await worker(database, write, ledger=Busy(database)).act(1, "write")
    assert outcome(acted).happened is Happened.YES


async def test_an_attempt_that_comes_after_others_is_told_by_which_number_it_may(database: Database) -> None:
    here = worker(database, write)
    await here.act(4, "write", call_off=True, may_resume=True)
    answer = (await here.act(1, "write")).came
    assert isinstance(answer, Again)
    assert answer.by == 4
    assert outcome(await here.act(answer.by + 1, "write")).happened is Happened.YES


@pytest.mark.parametrize("error", [StorageFull("full"), StorageFailed("away")])
@pytest.mark.parametrize("broken", ["get_all", "intend", "forgo", "look"])
async def test_an_outage_before_a_call_is_waited_out_and_costs_nothing(
    database: Database, error: PortError, broken: str
) -> None:
    here = worker(database, write)
    if broken == "look":
        await here.act(1, "write")
        WRITTEN.clear()
    ask = await here.request(2, "write", missing=("read",) if broken == "forgo" else ())
    away = worker(
        database,
        write,
        ledger=Failing(here.ledger, broken, error),
        blobs=Failing(here.blobs, broken, error),
    )
    with pytest.raises(type(error)) as failure:
        await away.acting.act(ask)
    assert (failure.value.free_of_charge, failure.value.remedy) == (True, Remedy.WAIT)
    assert WRITTEN == []


async def test_an_outage_after_a_call_is_not_free_and_its_outcome_is_found_by_the_next_attempt(
    database: Database,
) -> None:
    blobs = Failing(SqlBlobs(database), "put_all", StorageFull("full"), fails=lambda: bool(WRITTEN))
    with pytest.raises(StorageFull) as full:
        await worker(database, write, blobs=blobs).act(1, "write")
    assert not full.value.free_of_charge
    assert outcome(await worker(database, write).act(2, "write")).happened is Happened.YES
    assert WRITTEN == ["x"]


@pytest.mark.parametrize("price", [0, 5])
async def test_an_outage_of_a_read_is_free_unless_the_next_call_is_billed_again(database: Database, price: int) -> None:
    here = worker(database, replace(read, price=price))
    ask = await here.request(1, "read")
    away = worker(database, replace(read, price=price), blobs=Failing(here.blobs, "put_all", StorageFull("full")))
    with pytest.raises(StorageFull) as full:
        await ActivityEnvironment().run(away.acting.act, ask)
    assert full.value.free_of_charge is (price == 0)


async def test_no_clock_of_a_worker_decides_whether_a_call_may_be_made(database: Database) -> None:
    """Times written by a clock that is ahead, or behind, are not compared with any other clock."""
    for number, shift in enumerate((timedelta(days=-400), timedelta(days=400))):
        key = KEY.model_copy(update={"step": f"call-1-{number}"})
        odd = UnpricedLedger(database, now=lambda _, shift=shift: datetime.now(UTC) + shift)
        acted = await worker(database, write, ledger=odd).act(1, "write", key, values={"what": "lost"})
        assert isinstance(acted.came, AskPerson)
        record = await odd.look(key)
        assert record is not None
        assert (record.phase, record.intended_at) == (CallPhase.UNKNOWN, acted.came.intended_at)
        later = await worker(database, write).act(2, "write", key, values={"what": "lost"})
        assert isinstance(later.came, AskPerson)
