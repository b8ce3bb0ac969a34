"""A person's decision is about one call only, and a denial is recorded where a late attempt finds it."""

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
        assert await here.text_of(outcome(denied)) == "write was not called: ann said no: as I said"
        assert denied.refused == ""
    answer = (await here.act(late, "write")).came
    assert isinstance(answer, CallAnswered)
    assert answer.outcome.happened is Happened.NO
    assert WRITTEN == []


async def test_a_no_to_what_may_still_be_resumed_ends_that_too(database: Database) -> None:
    here = worker(database, write)
    await here.act(3, "write", call_off=True, may_resume=True)
    assert outcome(await here.settle(Ruling.DENY, "write")).ended is ToolEnded.DENIED
    answer = (await here.act(9, "write")).came
    assert isinstance(answer, CallAnswered)
    assert WRITTEN == []


async def test_a_no_to_a_call_that_was_made_before_a_reset_is_told_what_was_done(database: Database) -> None:
    here = worker(database, write)
    await here.act(1, "write")
    denied = await here.settle(Ruling.DENY, "write")
    assert (outcome(denied).ended, outcome(denied).happened) == (ToolEnded.RETURNED, Happened.YES)
    assert "wrote x" in await here.text_of(outcome(denied))
    assert "it came too late" in denied.refused


async def test_a_denial_of_an_unknown_call_says_that_nobody_knows(database: Database) -> None:
    here = worker(database, write)
    await here.act(1, "write", values=LOST)
    denied = await here.settle(Ruling.DENY, "write", values=LOST)
    assert (outcome(denied).ended, outcome(denied).happened) == (ToolEnded.DENIED, Happened.UNKNOWN)
    assert "it may have been: nobody knows" in await here.text_of(outcome(denied))


@pytest.mark.parametrize("ruling", [Ruling.DENY, Ruling.DID_NOT_HAPPEN, Ruling.RETRY, Ruling.DID_HAPPEN])
@pytest.mark.parametrize(("before", "happened"), [("pay ALICE", Happened.YES), ("lost", Happened.UNKNOWN)])
async def test_a_decision_about_one_call_settles_no_other_call_under_its_key(
    database: Database, ruling: Ruling, before: str, happened: Happened
) -> None:
    here = worker(database, write)
    await here.act(1, "write", values={"what": before})
    record_before = await here.ledger.look(KEY)
    result: Any = "I saw it" if ruling is Ruling.DID_HAPPEN else None
    settled = await here.settle(ruling, "write", values={"what": "pay BOB"}, result=result)
    assert (outcome(settled).ended, outcome(settled).happened) == (ToolEnded.SUPERSEDED, happened)
    assert "the same step was another call" in settled.refused
    assert before in await here.text_of(outcome(settled))
    after = await here.ledger.look(KEY)
    assert after is not None
    assert record_before is not None
    assert [event.decision for event in after.events] == [None] * len(after.events)
    assert [before] == WRITTEN


@pytest.mark.parametrize("method", ["look", "forgo", "decide"])
async def test_a_word_that_comes_while_the_store_is_away_is_waited_for(database: Database, method: str) -> None:
    here = worker(database, write)
    await here.act(1, "write", values=LOST)
    away = worker(database, write, ledger=Failing(here.ledger, method, StorageFull("full")))
    ruling = Ruling.DENY if method == "forgo" else Ruling.DID_NOT_HAPPEN
    with pytest.raises(StorageFull) as full:
        await away.settle(ruling, "write", values=LOST)
    assert (full.value.free_of_charge, full.value.remedy) == (True, Remedy.WAIT)
