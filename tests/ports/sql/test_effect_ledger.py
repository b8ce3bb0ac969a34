"""What every intent ledger promises."""

import asyncio
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import text

from activities.adapters.databases.database import Database
from activities.adapters.sql.effect_ledger import SqlEffectLedger
from activities.ports import (
    BlobStore,
    Decided,
    Done,
    EffectLedger,
    Fresh,
    KeyTaken,
    LedgerRefused,
    Recorded,
    StorageFull,
    Unknown,
    UnknownKey,
)
from perdure.contracts.chains.steps import StepKey
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.ledger import CallPhase, Decision, Happening, Refusal, Succeeded, Word
from tests.support.faults.full_disk import full_disk
from tests.support.processes.calling import CALL, KEY, key_of
from tests.support.tool_calls.ledger_steps import (
    BUSY,
    SENT,
    SENT_TWICE,
    Answered,
    Ask,
    AskAsBefore,
    Forgo,
    Happens,
    InMemory,
    Tell,
    decision,
    happenings,
)


async def test_the_first_attempt_may_call_and_everybody_after_it_gets_its_outcome(ledger: EffectLedger) -> None:
    assert await ledger.intend(KEY, 1, CALL) == Fresh()
    assert await ledger.record(KEY, 1, SENT) == Recorded(CallPhase.DONE, SENT, counts=True, late=False)
    assert await ledger.intend(KEY, 1, CALL) == Done(SENT)
    assert await ledger.intend(KEY, 2, CALL) == Done(SENT)


@pytest.mark.parametrize("attempt", [1, 2])
async def test_an_intent_without_an_outcome_is_unknown_to_a_retry_and_to_whoever_asks_again(
    ledger: EffectLedger, attempt: int
) -> None:
    before = datetime.now(UTC)
    await ledger.intend(KEY, 1, CALL)
    unknown = await ledger.intend(KEY, attempt, CALL)
    assert isinstance(unknown, Unknown)
    assert unknown.attempt == 1
    assert before <= unknown.intended_at <= datetime.now(UTC)
    assert await ledger.intend(KEY, 3, CALL) == unknown


@pytest.mark.parametrize("ruling", [Word.DID_NOT_HAPPEN, Word.RETRY])
async def test_after_a_persons_word_exactly_one_new_attempt_may_call(ledger: EffectLedger, ruling: Word) -> None:
    await ledger.intend(KEY, 1, CALL)
    await ledger.intend(KEY, 2, CALL)
    assert await ledger.decide(KEY, decision(1, ruling, 1)) == Decided(CallPhase.CLEARED, None)
    permissions = await asyncio.gather(*(ledger.intend(KEY, attempt, CALL) for attempt in range(2, 10)))
    assert [type(one) for one in permissions].count(Fresh) == 1


async def test_what_a_person_says_did_happen_is_the_outcome_and_its_text_is_stored(
    ledger: EffectLedger, blobs: BlobStore
) -> None:
    await ledger.intend(KEY, 1, CALL)
    await ledger.intend(KEY, 2, CALL)
    text = Text.of("message 17 is in the channel")
    decided = Decision(decision_id="d-1", attempt=1, word=Word.DID_HAPPEN, by="ann", reason="I saw it", result=text)
    outcome = Succeeded(result=text.reference())
    assert await ledger.decide(KEY, decided) == Decided(CallPhase.DONE, outcome)
    assert await ledger.intend(KEY, 2, CALL) == Done(outcome)
    assert await blobs.get(KEY.tenant, text.digest) == b"message 17 is in the channel"


async def test_a_decision_that_is_sent_again_is_answered_as_before(ledger: EffectLedger) -> None:
    await ledger.intend(KEY, 1, CALL)
    await ledger.intend(KEY, 2, CALL)
    decided = decision(1, Word.DID_NOT_HAPPEN, 1)
    assert await ledger.decide(KEY, decided) == await ledger.decide(KEY, decided)
    assert await ledger.intend(KEY, 2, CALL) == Fresh()
    assert await ledger.decide(KEY, decided) == Decided(CallPhase.CLEARED, None)
    assert isinstance(await ledger.intend(KEY, 3, CALL), Unknown), "sent again, it clears nothing again"


async def test_a_decision_after_a_late_outcome_is_refused_and_told_the_outcome(ledger: EffectLedger) -> None:
    await ledger.intend(KEY, 1, CALL)
    await ledger.intend(KEY, 2, CALL)
    assert await ledger.record(KEY, 1, SENT) == Recorded(CallPhase.DONE, SENT, counts=True, late=True)
    refused = await ledger.decide(KEY, decision(1, Word.DID_NOT_HAPPEN, 1))
    assert refused == LedgerRefused(Refusal.OUTCOME_CAME_FIRST, SENT)


async def test_a_second_outcome_is_kept_and_changes_nothing(ledger: EffectLedger) -> None:
    await ledger.intend(KEY, 1, CALL)
    await ledger.record(KEY, 1, SENT)
    assert await ledger.record(KEY, 1, SENT_TWICE) == Recorded(CallPhase.DONE, SENT, counts=False, late=False)
    record = await ledger.look(KEY)
    assert record is not None
    assert record.outcome == SENT
    assert [(event.happening, event.outcome) for event in record.events[1:]] == [
        (Happening.TOLD, SENT),
        (Happening.KEPT, SENT_TWICE),
    ]


async def test_what_surely_did_not_happen_may_be_tried_again(ledger: EffectLedger) -> None:
    await ledger.intend(KEY, 1, CALL)
    assert await ledger.record(KEY, 1, BUSY) == Recorded(CallPhase.CLEARED, None, counts=True, late=False)
    assert await ledger.intend(KEY, 2, CALL) == Fresh()


async def test_an_outcome_of_an_attempt_that_never_asked_is_an_error(ledger: EffectLedger) -> None:
    with pytest.raises(UnknownKey, match="attempt 1 told an outcome of a call that it was never allowed to make"):
        await ledger.record(KEY, 1, SENT)
    await ledger.intend(KEY, 1, CALL)
    await ledger.intend(KEY, 2, CALL)
    with pytest.raises(UnknownKey, match="attempt 2 told"):
        await ledger.record(KEY, 2, SENT)
    assert isinstance(await ledger.intend(KEY, 3, CALL), Unknown)


async def test_a_key_that_was_used_for_another_call_is_an_error(ledger: EffectLedger) -> None:
    await ledger.intend(KEY, 1, CALL)
    with pytest.raises(KeyTaken, match=r"arguments_digest '2222.* and now '3333"):
        await ledger.intend(KEY, 2, CALL.model_copy(update={"arguments_digest": "3" * 64}))


@pytest.mark.parametrize("other", [{"tenant": "globex"}, {"run_id": "another"}, {"step": "call-1"}])
async def test_another_tenant_run_or_step_knows_nothing_of_it(ledger: EffectLedger, other: dict[str, str]) -> None:
    await ledger.intend(KEY, 1, CALL)
    elsewhere = KEY.model_copy(update=other)
    assert await ledger.look(elsewhere) is None
    assert await ledger.intend(elsewhere, 1, CALL) == Fresh()


async def test_a_look_tells_who_did_what_when_and_in_which_order(ledger: EffectLedger) -> None:
    before = datetime.now(UTC)
    await ledger.intend(KEY, 1, CALL)
    await ledger.intend(KEY, 2, CALL)
    decided = decision(1, Word.RETRY, 1)
    await ledger.decide(KEY, decided)
    await ledger.intend(KEY, 2, CALL)
    await ledger.record(KEY, 2, SENT)
    record = await ledger.look(KEY)
    assert record is not None
    assert (record.key, record.call, record.phase, record.attempt, record.outcome) == (
        KEY,
        CALL,
        CallPhase.DONE,
        2,
        SENT,
    )
    assert [(event.happening, event.attempt, event.phase) for event in record.events] == [
        (Happening.INTENDED, 1, CallPhase.INTENDED),
        (Happening.MISSED, 2, CallPhase.UNKNOWN),
        (Happening.DECIDED, 1, CallPhase.CLEARED),
        (Happening.INTENDED, 2, CallPhase.INTENDED),
        (Happening.TOLD, 2, CallPhase.DONE),
    ]
    assert record.events[2].decision == decided
    times = [before, *(event.at for event in record.events), datetime.now(UTC)]
    assert times == sorted(times)
    assert {event.at.utcoffset() for event in record.events} == {timedelta(0)}


async def test_the_inbox_holds_a_tenants_unknown_calls_and_no_others(ledger: EffectLedger) -> None:
    async def called(tenant: str, step: str, *attempts: int) -> StepKey:
        key = KEY.model_copy(update={"tenant": tenant, "step": step})
        for attempt in attempts:
            await ledger.intend(key, attempt, CALL)
        return key

    await called("acme", "in-flight", 1)
    first = await called("acme", "z", 1, 2)
    resolved = await called("acme", "resolved", 1, 2)
    await ledger.record(resolved, 1, SENT)
    decided = await called("acme", "decided", 1, 2)
    await ledger.decide(decided, decision(1, Word.DID_NOT_HAPPEN, 1))
    second = await called("acme", "a", 1, 2)
    await called("globex", "theirs", 1, 2)
    records = await ledger.unknowns("acme")
    assert [one.key for one in records] == [first, second]
    assert [one.phase for one in records] == [CallPhase.UNKNOWN] * 2
    assert records[0] == await ledger.look(first)


async def test_entries_are_only_ever_added(ledger: EffectLedger, database: Database) -> None:
    rows = text("SELECT event FROM ledger_events ORDER BY number")

    async def stored() -> list[str]:
        return await database.read(lambda connection: list(connection.execute(rows).scalars()))

    had: list[str] = []
    for doing in (
        ledger.intend(KEY, 1, CALL),
        ledger.intend(KEY, 2, CALL),
        ledger.decide(KEY, decision(1, Word.DID_NOT_HAPPEN, 1)),
        ledger.intend(KEY, 2, CALL),
        ledger.record(KEY, 2, SENT),
        ledger.record(KEY, 1, SENT_TWICE),
    ):
        await doing
        now = await stored()
        assert now[:-1] == had
        had = now


async def test_the_text_of_a_result_is_stored_with_it_and_read_without_its_body(
    ledger: EffectLedger, blobs: BlobStore
) -> None:
    text = Text.of("told")
    await ledger.intend(KEY, 1, CALL)
    recorded = await ledger.record(KEY, 1, Succeeded(result=text))
    assert recorded.outcome == Succeeded(result=text.reference())
    assert await blobs.get(KEY.tenant, text.digest) == b"told"


async def test_what_was_intended_is_there_after_a_restart(database: Database, reopened: Database) -> None:
    await SqlEffectLedger(database).intend(KEY, 1, CALL)
    await database.dispose()
    assert isinstance(await SqlEffectLedger(reopened).intend(KEY, 2, CALL), Unknown)


async def test_on_a_full_disk_nobody_may_call_and_what_came_of_a_call_is_told_once_there_is_room(
    ledger: EffectLedger, database: Database
) -> None:
    await ledger.intend(KEY, 1, CALL)
    large = Succeeded(result=Text.of("x" * 400_000))
    async with full_disk(database, "bodies", "ledger_events"):
        with pytest.raises(StorageFull, match="make room"):
            await ledger.record(KEY, 1, large)
        refused = await _first_without_room(ledger)
        assert await ledger.look(refused) is None
    recorded = await ledger.record(KEY, 1, large)
    assert recorded == Recorded(CallPhase.DONE, Succeeded(result=large.result.reference()), counts=True, late=False)


async def _first_without_room(ledger: EffectLedger) -> StepKey:
    """Return the first call that the disk has no room for."""
    for number in range(1, 1000):
        try:
            assert await ledger.intend(key_of(number), 1, CALL) == Fresh()
        except StorageFull:
            return key_of(number)
    pytest.fail("the disk was never full")


@given(happenings)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_in_any_order_it_answers_as_its_rules_say(ledger: EffectLedger, happened: list[Happens]) -> None:
    key = KEY.model_copy(update={"run_id": uuid.uuid4().hex})
    rules = InMemory(CALL)
    for place, happens in enumerate(happened):
        if isinstance(happens, AskAsBefore):
            continue
        # Each forgoing is a new request here.
        step = replace(happens, number=place) if isinstance(happens, Forgo) else happens
        expected, answer = rules.meet(step), await _meet(ledger, key, happens)
        if isinstance(expected, UnknownKey | Unknown):
            assert type(answer) is type(expected)
        else:
            assert answer == expected
    record = await ledger.look(key)
    assert (
        [entry.phase for entry in record.events] == [entry.phase for entry in rules.past] if record else not rules.past
    )


async def _meet(ledger: EffectLedger, key: StepKey, happens: Ask | Forgo | Tell | Decision) -> Answered:
    try:
        match happens:
            case Ask(attempt):
                return await ledger.intend(key, attempt, CALL)
            case Forgo(attempt, why):
                return await ledger.forgo(key, attempt, CALL, why)
            case Tell(attempt, outcome):
                return await ledger.record(key, attempt, outcome)
            case Decision():
                return await ledger.decide(key, happens)
    except UnknownKey as error:
        return error
