"""The rules of the intent ledger as pure functions over the entries of one call.

Each takes the entries, the earliest first, and a request. It returns the answer and the entry to add, or None where
nothing is added. It never changes the list of entries.
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

Entries = Sequence[LedgerEvent]


@dataclass(frozen=True)
class CallRequest:
    """The request of an attempt to make its call."""

    attempt: int
    call: IntendedCall
    asking: str
    """The unique id of this request. By it a request that is repeated after a lost acknowledgement finds its entry."""


def intend(entries: Entries, request: CallRequest, now: datetime) -> tuple[Permission, LedgerEvent | None]:
    """Decide whether an attempt may call. Raises `KeyTaken` where the key belongs to another call."""
    if not entries:
        return Fresh(intended_at=now), _intent(entries, request, now)
    if entries[0].call != request.call:
        raise KeyTaken(_key_taken_message(entries[0].call, request.call))
    last, holder = entries[-1], _holder(entries)
    if last.phase is CallPhase.INTENDED and holder.asking == request.asking:
        before = [event for event in entries if event.number < holder.number]
        return Fresh(again=bool(_open_intents(before)), intended_at=holder.at), None
    if last.phase is CallPhase.DONE:
        return Done(_done_outcome(entries)), None
    if request.attempt < holder.attempt or (request.attempt == holder.attempt and last.phase is CallPhase.CLEARED):
        return Superseded(holder.attempt), None
    if last.phase is CallPhase.CLEARED or request.call.repeatable:
        return Fresh(again=bool(_open_intents(entries)), intended_at=now), _intent(entries, request, now)
    missed_entry = None
    if last.phase is CallPhase.INTENDED:
        missed_entry = _entry(entries, now, Happening.MISSED, request.attempt, CallPhase.UNKNOWN)
    return Unknown(holder.attempt, holder.at), missed_entry


def forgo(
    entries: Entries, request: CallRequest, failure: Failed, now: datetime
) -> tuple[Permission, list[LedgerEvent]]:
    """Decide whether an attempt may call; if it may, record at once that it did not. Raises `KeyTaken`.

    `failure` is the failure to record. Returns the permission and the entries to add.
    """
    own_intent = next((event for event in entries if event.asking == request.asking), None)
    if own_intent is not None:
        return Fresh(again=entries[own_intent.number].phase is CallPhase.UNKNOWN, intended_at=own_intent.at), []
    permission, entry = intend(entries, request, now)
    if entry is None or not isinstance(permission, Fresh):
        return permission, [] if entry is None else [entry]
    phase = _phase_after([*entries, entry], request.attempt, failure) or CallPhase.UNKNOWN
    report = _entry([*entries, entry], now, Happening.TOLD, request.attempt, phase)
    return permission, [entry, report.model_copy(update={"outcome": failure})]


def record(entries: Entries, attempt: int, outcome: ToolOutcome, now: datetime) -> tuple[Recorded, LedgerEvent | None]:
    """Record the outcome that an attempt reports. Raises `UnknownKey` where the attempt was never allowed to call."""
    if not any(event.happening is Happening.INTENDED and event.attempt == attempt for event in entries):
        raise UnknownKey(
            f"attempt {attempt} told an outcome of a call that it was never allowed to make: ask the ledger first"
        )
    earlier_reports = [
        event for event in entries if event.attempt == attempt and event.decision is None and event.outcome == outcome
    ]
    if earlier_reports:
        counted = earlier_reports[0].happening is Happening.TOLD
        return Recorded(entries[-1].phase, _outcome(entries), counts=counted, late=earlier_reports[0].late), None
    before = entries[-1].phase
    after = _phase_after(entries, attempt, outcome)
    counts = after is not None and after is not before
    late = counts and (before is not CallPhase.INTENDED or attempt != _holder(entries).attempt)
    happening = Happening.TOLD if counts else Happening.KEPT
    entry = _entry(entries, now, happening, attempt, after or before).model_copy(
        update={"outcome": outcome, "late": late}
    )
    return Recorded(entry.phase, _outcome([*entries, entry]), counts=counts, late=late), entry


def decide(entries: Entries, decision: Decision, now: datetime) -> tuple[Decided | LedgerRefused, LedgerEvent | None]:
    """Apply somebody's decision about an unknown outcome."""
    for event in entries:
        if event.decision is not None and event.decision.decision_id == decision.decision_id:
            if event.decision == decision:
                return Decided(event.phase, event.outcome), None
            return LedgerRefused(Refusal.ID_TAKEN, _outcome(entries)), None
    refusal = _refusal(entries, decision)
    if refusal is not None:
        return LedgerRefused(refusal, _outcome(entries)), None
    happened = decision.result is not None
    phase = CallPhase.DONE if happened else CallPhase.CLEARED
    outcome = None if decision.result is None else Succeeded(result=decision.result)
    entry = _entry(entries, now, Happening.DECIDED, decision.attempt, phase)
    return Decided(phase, outcome), entry.model_copy(update={"decision": decision, "outcome": outcome})


def record_of(key: StepKey, entries: Entries) -> CallRecord | None:
    """Return the record of a call; None where it has no entries."""
    if not entries:
        return None
    holder = _holder(entries)
    assert holder.call is not None, "an intent holds its call"  # noqa: S101 - tells the type checker what `_intent` does
    return CallRecord(
        key=key,
        call=holder.call,
        phase=entries[-1].phase,
        attempt=holder.attempt,
        intended_at=holder.at,
        outcome=_outcome(entries),
        events=tuple(entries),
    )


def _phase_after(entries: Entries, attempt: int, outcome: ToolOutcome) -> CallPhase | None:
    """Return the phase after an attempt's report; None where the report is kept as evidence and changes nothing."""
    phase, holder = entries[-1].phase, _holder(entries)
    if phase is CallPhase.DONE:
        return None
    match outcome:
        case Succeeded():
            return CallPhase.DONE
        case Failed(did_not_happen=False):
            return CallPhase.UNKNOWN if phase is CallPhase.INTENDED and attempt == holder.attempt else None
        case Failed():
            open_intents = _open_intents(entries)
            if phase is CallPhase.CLEARED or not open_intents[attempt]:
                return None
            if open_intents.total() == 1:
                return CallPhase.CLEARED if outcome.may_retry else CallPhase.DONE
            # This attempt did not make the call; another attempt may have made it.
            return CallPhase.UNKNOWN if attempt == holder.attempt else None
        case never:
            assert_never(never)


def _refusal(entries: Entries, decision: Decision) -> Refusal | None:
    if not entries:
        return Refusal.NEVER_INTENDED
    match entries[-1].phase:
        case CallPhase.INTENDED:
            return Refusal.IN_FLIGHT
        case CallPhase.CLEARED:
            return Refusal.MAY_CALL_ALREADY
        case CallPhase.DONE:
            decided = next(event for event in entries if event.phase is CallPhase.DONE).decision is not None
            return Refusal.DECIDED_ALREADY if decided else Refusal.OUTCOME_CAME_FIRST
        case CallPhase.UNKNOWN:
            return None if decision.attempt == _holder(entries).attempt else Refusal.ANOTHER_ATTEMPT
        case never:
            assert_never(never)


def _open_intents(entries: Entries) -> Counter[int]:
    """Count, by attempt, the intents that may have led to a call: no later report says that it did not happen."""
    open_intents = Counter[int]()
    for event in entries:
        if event.happening is Happening.INTENDED:
            open_intents[event.attempt] += 1
        elif event.decision is not None:
            if event.decision.word is Word.DID_NOT_HAPPEN:
                open_intents.clear()
        elif isinstance(event.outcome, Failed) and event.outcome.did_not_happen:
            open_intents[event.attempt] -= 1
        open_intents = +open_intents
    return open_intents


def _holder(entries: Entries) -> LedgerEvent:
    """Return the newest intent: that of the attempt that was allowed to call last."""
    return next(event for event in reversed(entries) if event.happening is Happening.INTENDED)


def _outcome(entries: Entries) -> ToolOutcome | None:
    """Return the outcome that counts: the one that made the call done. None where it is not done."""
    return next((event.outcome for event in entries if event.phase is CallPhase.DONE), None)


def _done_outcome(entries: Entries) -> ToolOutcome:
    outcome = _outcome(entries)
    assert outcome is not None, "what makes a call done holds an outcome"  # noqa: S101 - as `record` and `decide` do it
    return outcome


def _intent(entries: Entries, request: CallRequest, now: datetime) -> LedgerEvent:
    entry = _entry(entries, now, Happening.INTENDED, request.attempt, CallPhase.INTENDED)
    return entry.model_copy(update={"call": request.call, "asking": request.asking})


def _entry(entries: Entries, now: datetime, happening: Happening, attempt: int, phase: CallPhase) -> LedgerEvent:
    return LedgerEvent(number=len(entries) + 1, at=now, happening=happening, attempt=attempt, phase=phase)


def _key_taken_message(stored_call: IntendedCall | None, new_call: IntendedCall) -> str:
    """Return the error message: each field that differs, with both values. They are names and digests, no arguments."""
    stored_fields = {} if stored_call is None else stored_call.model_dump()
    differs = {
        name: (stored_fields.get(name), value)
        for name, value in new_call.model_dump().items()
        if stored_fields.get(name) != value
    }
    changes = ", ".join(f"{name} {before!r} and now {now!r}" for name, (before, now) in differs.items())
    return f"the key of a tool call was used for another call ({changes}): give each call a key of its own"
