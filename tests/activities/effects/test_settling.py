"""A person's word about a call is about that call and no other, and a no is written where a late attempt looks."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from activities.adapters.databases.database import Database
from activities.adapters.databases.sqlite_database import open_sqlite
from activities.ports import StorageFull
from perdure.contracts.agents.steps import CallAnswered, SettledCall
from perdure.contracts.fault import Remedy
from perdure.contracts.tool_calls.decisions import Ruling
from perdure.contracts.tool_calls.outcome import Happened, ToolEnded, ToolOutcome
from tests.support.tool_calls.effects import KEY, Failing, worker
from tools.base import ToolArguments, ToolContext, ToolEffect, tool
from tools.errors import NoAnswer

WRITTEN: list[str] = []
LOST = {"what": "lost"}


class What(ToolArguments):
    """What to write."""

    what: str


@tool(ToolEffect.AT_MOST_ONCE)
async def write(_: ToolContext, asked: What) -> str:
    """Write."""
    WRITTEN.append(asked.what)
    if asked.what == "lost":
        raise NoAnswer("the line went dead")
    return f"wrote {asked.what}"


@pytest_asyncio.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    WRITTEN.clear()
    database = open_sqlite(tmp_path / "calls.db")
    yield database
    await database.dispose()


def outcome(settled: SettledCall) -> ToolOutcome:
    assert settled.outcome is not None, settled
    return settled.outcome


@pytest.mark.parametrize("late", [1, 2, 5])
async def test_after_a_no_a_late_attempt_does_not_call(database: Database, late: int) -> None:
    here = worker(database, write)
    for _ in range(2):  # the effect may be done twice
        denied = await here.settle(Ruling.DENY, "write")
        assert (outcome(denied).ended, outcome(denied).happened) == (ToolEnded.DENIED, Happened.NO)
        assert await here.shown(outcome(denied)) == "write was not called: ann said no: as I said"
        assert denied.refused == ""
    came = (await here.act(late, "write")).came
    assert isinstance(came, CallAnswered)
    assert came.outcome.happened is Happened.NO
    assert WRITTEN == []


async def test_a_no_to_what_may_still_be_resumed_ends_that_too(database: Database) -> None:
    here = worker(database, write)
    await here.act(3, "write", call_off=True, may_resume=True)
    assert outcome(await here.settle(Ruling.DENY, "write")).ended is ToolEnded.DENIED
    came = (await here.act(9, "write")).came
    assert isinstance(came, CallAnswered)
    assert WRITTEN == []


async def test_a_no_to_a_call_that_was_made_before_a_reset_is_told_what_was_done(database: Database) -> None:
    here = worker(database, write)
    await here.act(1, "write")
    denied = await here.settle(Ruling.DENY, "write")
    assert (outcome(denied).ended, outcome(denied).happened) == (ToolEnded.RETURNED, Happened.YES)
    assert "wrote x" in await here.shown(outcome(denied))
    assert "it came too late" in denied.refused


async def test_a_no_to_a_call_of_which_nobody_knows_says_so(database: Database) -> None:
    here = worker(database, write)
    await here.act(1, "write", said=LOST)
    denied = await here.settle(Ruling.DENY, "write", said=LOST)
    assert (outcome(denied).ended, outcome(denied).happened) == (ToolEnded.DENIED, Happened.UNKNOWN)
    assert "it may have been: nobody knows" in await here.shown(outcome(denied))


@pytest.mark.parametrize("ruling", [Ruling.DENY, Ruling.DID_NOT_HAPPEN, Ruling.RETRY, Ruling.DID_HAPPEN])
@pytest.mark.parametrize(("before", "happened"), [("pay ALICE", Happened.YES), ("lost", Happened.UNKNOWN)])
async def test_no_word_about_one_call_says_anything_about_another_under_its_key(
    database: Database, ruling: Ruling, before: str, happened: Happened
) -> None:
    here = worker(database, write)
    await here.act(1, "write", said={"what": before})
    known = await here.ledger.look(KEY)
    result: Any = "I saw it" if ruling is Ruling.DID_HAPPEN else None
    settled = await here.settle(ruling, "write", said={"what": "pay BOB"}, result=result)
    assert (outcome(settled).ended, outcome(settled).happened) == (ToolEnded.SUPERSEDED, happened)
    assert "the same step was another call" in settled.refused
    assert before in await here.shown(outcome(settled))
    after = await here.ledger.look(KEY)
    assert after is not None
    assert known is not None
    assert [event.decision for event in after.events] == [None] * len(after.events)
    assert [before] == WRITTEN


@pytest.mark.parametrize("method", ["look", "forgo", "decide"])
async def test_a_word_that_comes_while_the_store_is_away_is_waited_for(database: Database, method: str) -> None:
    here = worker(database, write)
    await here.act(1, "write", said=LOST)
    away = worker(database, write, ledger=Failing(here.ledger, method, StorageFull("full")))
    ruling = Ruling.DENY if method == "forgo" else Ruling.DID_NOT_HAPPEN
    with pytest.raises(StorageFull) as full:
        await away.settle(ruling, "write", said=LOST)
    assert (full.value.free_of_charge, full.value.remedy) == (True, Remedy.WAIT)
