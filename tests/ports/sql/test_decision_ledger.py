"""A decision is recorded once, in order, with the database's time, and for one step of one run only."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from activities.adapters.databases.database import Database
from activities.adapters.sql.decisions import SqlDecisions
from activities.ports import DecisionLedger
from perdure.contracts.chains.steps import StepKey
from perdure.contracts.tool_calls.decisions import Ruling
from perdure.contracts.tool_calls.recorded_decisions import RecordedDecision

KEY = StepKey(tenant="acme", workflow_id="acme:1", run_id="1", step="call-1-1")


def entry(ruling: Ruling | None = Ruling.APPROVE, name: str = "1", **fields: Any) -> RecordedDecision:
    named = dict.fromkeys(("content", "binding", "tool_digest", "arguments", "policy"), "1" * 64)
    by = {"decision_id": name, "by": "ann"} if ruling else {}
    return RecordedDecision.model_validate({**named, **by, "ruling": ruling, "tool": "write", **fields})


ASKED, YES, NO = entry(None), entry(), entry(Ruling.DENY, "2")


@pytest.fixture
def ledger(database: Database) -> DecisionLedger:
    return SqlDecisions(database)


async def rulings(ledger: DecisionLedger, *entries: RecordedDecision) -> list[str | None]:
    """Return the recorded rulings after these decisions in their order."""
    for one in entries:
        await ledger.record(KEY, one)
    return [one.ruling and one.ruling.value for one in (await ledger.look(KEY)).entries]


async def test_what_is_written_down_is_read_as_it_was_with_a_time_that_only_rises(
    ledger: DecisionLedger, reopened: Database
) -> None:
    yes = entry(groups=("leads",), verified=True, escalations=1, lapsed=True)
    before = (await ledger.look(KEY)).now
    for one in (ASKED, yes, NO):
        await ledger.record(KEY, one)
    record = await SqlDecisions(reopened).look(KEY)
    times = [one.at for one in record.entries if one.at is not None]
    assert [before, *times, record.now] == sorted([before, *times, record.now])
    assert len(times) == 3
    assert [one.model_copy(update={"at": None}) for one in record.entries] == [ASKED, yes, NO]


async def test_the_same_again_changes_nothing(ledger: DecisionLedger) -> None:
    assert await rulings(ledger, ASKED, ASKED, YES, YES, ASKED) == [None, "approve"]


async def test_a_yes_is_not_heard_again_after_a_no_but_a_new_one_is(ledger: DecisionLedger) -> None:
    assert await rulings(ledger, YES, NO, YES) == ["approve", "deny"]
    assert await rulings(ledger, entry(name="3")) == ["approve", "deny", "approve"]


async def test_a_no_is_heard_again_after_a_yes_and_an_asking_after_a_no(ledger: DecisionLedger) -> None:
    assert await rulings(ledger, ASKED, NO, NO, entry(name="3"), NO, ASKED) == [
        *(None, "deny", "approve", "deny", None),
    ]


@pytest.mark.parametrize(
    "other", [{"tenant": "globex"}, {"run_id": "2"}, {"step": "call-1-2"}], ids=lambda other: next(iter(other))
)
async def test_nothing_is_known_of_another_tenants_runs_or_steps_decisions(
    ledger: DecisionLedger, other: dict[str, str]
) -> None:
    await ledger.record(KEY, YES)
    assert (await ledger.look(KEY.model_copy(update=other))).entries == ()


async def test_of_many_who_speak_at_once_each_is_heard_once(ledger: DecisionLedger, reopened: Database) -> None:
    beside = SqlDecisions(reopened)
    decisions = [entry(name=str(number)) for number in range(8)]
    await asyncio.gather(*(one.record(KEY, each) for each in decisions for one in (ledger, beside)))
    entries = (await ledger.look(KEY)).entries
    assert sorted(one.decision_id for one in entries) == [str(number) for number in range(8)]


async def test_the_time_is_the_databases_and_not_the_workers(database: Database) -> None:
    late = SqlDecisions(database, lambda _: clock)
    clock = (await SqlDecisions(database).look(KEY)).now + timedelta(days=9)
    [one] = (await late.record(KEY, YES)).entries
    assert one.at == clock
