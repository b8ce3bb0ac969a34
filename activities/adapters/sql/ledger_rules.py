"""The rules of the intent ledger as pure functions: what is known of a call, and what is asked, give the answer.

Each returns its answer and the entry to add, or None where nothing is added. What is known is the list of entries, the
earliest first; it is never changed.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from activities.ports.effect_ledger import (
    Decided,
    Done,
    Fresh,
    LedgerRefused,
    Permission,
    Recorded,
    Superseded,
    Unknown,
)
from activities.ports.errors import KeyTaken, UnknownKey
from perdure.contracts.chains.steps import StepKey
from perdure.contracts.tool_calls.ledger import (
    CallPhase,
    CallRecord,
    Decision,
    Failed,
    Happening,
    IntendedCall,
    LedgerEvent,
    Refusal,
    Succeeded,
    ToolOutcome,
    Word,
)

Past = Sequence[LedgerEvent]


@dataclass(frozen=True)
class Asker:
    """An attempt that asks whether it may call."""

    attempt: int
    call: IntendedCall
    asking: str
    """Unique to this asking: one that is done twice, since its commit was not acknowledged, knows itself again."""


def intend(past: Past, asker: Asker, now: datetime) -> tuple[Permission, LedgerEvent | None]:
    """Whether an attempt may call. Raises `KeyTaken` where the key is that of another call."""
    if not past:
        return Fresh(intended_at=now), _intent(past, asker, now)
    if past[0].call != asker.call:
        raise KeyTaken(_taken(past[0].call, asker.call))
    last, holder = past[-1], _holder(past)
    if last.phase is CallPhase.INTENDED and holder.asking == asker.asking:
        before = [event for event in past if event.number < holder.number]
        return Fresh(again=bool(_doubts(before)), intended_at=holder.at), None
    if last.phase is CallPhase.DONE:
        return Done(_told(past)), None
    if asker.attempt < holder.attempt or (asker.attempt == holder.attempt and last.phase is CallPhase.CLEARED):
        return Superseded(holder.attempt), None
    if last.phase is CallPhase.CLEARED or asker.call.repeatable:
        return Fresh(again=bool(_doubts(past)), intended_at=now), _intent(past, asker, now)
    missed = None
    if last.phase is CallPhase.INTENDED:
        missed = _entry(past, now, Happening.MISSED, asker.attempt, CallPhase.UNKNOWN)
    return Unknown(holder.attempt, holder.at), missed


def forgo(past: Past, asker: Asker, why: Failed, now: datetime) -> tuple[Permission, list[LedgerEvent]]:
    """As `intend`, and an attempt that may call gives that up at once. Raises `KeyTaken`."""
    own = next((event for event in past if event.asking == asker.asking), None)
    if own is not None:
        return Fresh(again=past[own.number].phase is CallPhase.UNKNOWN, intended_at=own.at), []
    permission, entry = intend(past, asker, now)
    if entry is None or not isinstance(permission, Fresh):
        return permission, [] if entry is None else [entry]
    phase = _after([*past, entry], asker.attempt, why) or CallPhase.UNKNOWN
    given_up = _entry([*past, entry], now, Happening.TOLD, asker.attempt, phase)
    return permission, [entry, given_up.model_copy(update={"outcome": why})]


def record(past: Past, attempt: int, outcome: ToolOutcome, now: datetime) -> tuple[Recorded, LedgerEvent | None]:
    """What a told outcome changes. Raises `UnknownKey` where the attempt was never allowed to call."""
    if not any(event.happening is Happening.INTENDED and event.attempt == attempt for event in past):
        raise UnknownKey(
            f"attempt {attempt} told an outcome of a call that it was never allowed to make: ask the ledger first"
        )
    told = [event for event in past if event.attempt == attempt and event.decision is None and event.outcome == outcome]
    if told:
        counted = told[0].happening is Happening.TOLD
        return Recorded(past[-1].phase, _outcome(past), counts=counted, late=told[0].late), None
    before = past[-1].phase
    after = _after(past, attempt, outcome)
    counts = after is not None and after is not before
    late = counts and (before is not CallPhase.INTENDED or attempt != _holder(past).attempt)
    happening = Happening.TOLD if counts else Happening.KEPT
    entry = _entry(past, now, happening, attempt, after or before).model_copy(update={"outcome": outcome, "late": late})
    return Recorded(entry.phase, _outcome([*past, entry]), counts=counts, late=late), entry


def decide(past: Past, decision: Decision, now: datetime) -> tuple[Decided | LedgerRefused, LedgerEvent | None]:
    """What a decision changes."""
    for event in past:
        if event.decision is not None and event.decision.decision_id == decision.decision_id:
            if event.decision == decision:
                return Decided(event.phase, event.outcome), None
            return LedgerRefused(Refusal.ID_TAKEN, _outcome(past)), None
    refusal = _refusal(past, decision)
    if refusal is not None:
        return LedgerRefused(refusal, _outcome(past)), None
    happened = decision.result is not None
    phase = CallPhase.DONE if happened else CallPhase.CLEARED
    outcome = None if decision.result is None else Succeeded(result=decision.result)
    entry = _entry(past, now, Happening.DECIDED, decision.attempt, phase)
    return Decided(phase, outcome), entry.model_copy(update={"decision": decision, "outcome": outcome})


def record_of(key: StepKey, past: Past) -> CallRecord | None:
    """What is known, for whoever looks."""
    if not past:
        return None
    holder = _holder(past)
    assert holder.call is not None, "an intent holds its call"  # noqa: S101 - tells the type checker what `_intent` does
    return CallRecord(
        key=key,
        call=holder.call,
        phase=past[-1].phase,
        attempt=holder.attempt,
        intended_at=holder.at,
        outcome=_outcome(past),
        events=tuple(past),
    )


def _after(past: Past, attempt: int, outcome: ToolOutcome) -> CallPhase | None:
    """Where the call stands once an attempt has told this; None where it is evidence and nothing more."""
    phase, holder = past[-1].phase, _holder(past)
    if phase is CallPhase.DONE:
        return None
    match outcome:
        case Succeeded():
            return CallPhase.DONE
        case Failed(did_not_happen=False):
            return CallPhase.UNKNOWN if phase is CallPhase.INTENDED and attempt == holder.attempt else None
        case Failed():
            doubts = _doubts(past)
            if phase is CallPhase.CLEARED or not doubts[attempt]:
                return None
            if doubts.total() == 1:
                return CallPhase.CLEARED if outcome.may_retry else CallPhase.DONE
            # It did not happen by this attempt; it may have happened by another one.
            return CallPhase.UNKNOWN if attempt == holder.attempt else None
        case never:
            assert_never(never)


def _refusal(past: Past, decision: Decision) -> Refusal | None:
    if not past:
        return Refusal.NEVER_INTENDED
    match past[-1].phase:
        case CallPhase.INTENDED:
            return Refusal.IN_FLIGHT
        case CallPhase.CLEARED:
            return Refusal.MAY_CALL_ALREADY
        case CallPhase.DONE:
            decided = next(event for event in past if event.phase is CallPhase.DONE).decision is not None
            return Refusal.DECIDED_ALREADY if decided else Refusal.OUTCOME_CAME_FIRST
        case CallPhase.UNKNOWN:
            return None if decision.attempt == _holder(past).attempt else Refusal.ANOTHER_ATTEMPT
        case never:
            assert_never(never)


def _doubts(past: Past) -> Counter[int]:
    """By attempt, how often it was allowed to call and nobody said since that it did not happen."""
    doubts = Counter[int]()
    for event in past:
        if event.happening is Happening.INTENDED:
            doubts[event.attempt] += 1
        elif event.decision is not None:
            if event.decision.word is Word.DID_NOT_HAPPEN:
                doubts.clear()
        elif isinstance(event.outcome, Failed) and event.outcome.did_not_happen:
            doubts[event.attempt] -= 1
        doubts = +doubts
    return doubts


def _holder(past: Past) -> LedgerEvent:
    """The intent of the attempt that was allowed to call last."""
    return next(event for event in reversed(past) if event.happening is Happening.INTENDED)


def _outcome(past: Past) -> ToolOutcome | None:
    """The outcome that counts: the one that made the call done."""
    return next((event.outcome for event in past if event.phase is CallPhase.DONE), None)


def _told(past: Past) -> ToolOutcome:
    outcome = _outcome(past)
    assert outcome is not None, "what makes a call done holds an outcome"  # noqa: S101 - as `record` and `decide` do it
    return outcome


def _intent(past: Past, asker: Asker, now: datetime) -> LedgerEvent:
    entry = _entry(past, now, Happening.INTENDED, asker.attempt, CallPhase.INTENDED)
    return entry.model_copy(update={"call": asker.call, "asking": asker.asking})


def _entry(past: Past, now: datetime, happening: Happening, attempt: int, phase: CallPhase) -> LedgerEvent:
    return LedgerEvent(number=len(past) + 1, at=now, happening=happening, attempt=attempt, phase=phase)


def _taken(had: IntendedCall | None, asked: IntendedCall) -> str:
    """Which of them differs, with both values: names and digests, no arguments."""
    known = {} if had is None else had.model_dump()
    differs = {name: (known.get(name), value) for name, value in asked.model_dump().items() if known.get(name) != value}
    said = ", ".join(f"{name} {before!r} and now {now!r}" for name, (before, now) in differs.items())
    return f"the key of a tool call was used for another call ({said}): give each call a key of its own"
