"""Calls a tool that changes the world: the ledger stores the intent before the call and the outcome after it."""

import asyncio
from datetime import datetime
from typing import assert_never

from activities.ports import (
    BlobStore,
    Done,
    EffectLedger,
    Fresh,
    KeyTaken,
    Recorded,
    Superseded,
    Unknown,
    nothing_sent,
)
from activities.tool_calls.attempts import Attempted, Call, cancelled_on_purpose, charges_of
from activities.tool_calls.boundary import ToolBoundary
from activities.tool_calls.forgoing import forgo_for_good
from activities.tool_calls.outcomes import from_ledger, intended, not_called, reason_of, superseded
from activities.tool_calls.reconciliation import Reconciliation
from activities.waiting import elapsed
from activities.waiting.until_stored import until_stored
from perdure.contracts.agents.steps import Act, Again, AskPerson
from perdure.contracts.budget import Spend
from perdure.contracts.chains.steps import StepKey
from perdure.contracts.tool_calls.ledger import Failed, Succeeded
from perdure.contracts.tool_calls.outcome import Happened, ToolEnded, ToolOutcome
from perdure.contracts.tool_calls.tools import ToolEffect, ToolSpec

CANCELLED = "the run was cancelled"

ENDED = "the run is over"


class Calling:
    """Calls tools that change the world, at most as often as the ledger allows."""

    def __init__(self, boundary: ToolBoundary, ledger: EffectLedger, blobs: BlobStore) -> None:
        self._boundary = boundary
        self._ledger = ledger
        self._blobs = blobs
        self._reconciliation = Reconciliation(boundary, ledger)

    async def attempt(self, call: Call, objection: ToolOutcome | None) -> Attempted:
        """Call the tool if the ledger allows this attempt; otherwise return the outcome of the earlier ones.

        With an objection the tool is not called. The ledger stores that, so that no late attempt calls either. If an
        earlier attempt may have called, its outcome counts, also when the tool was changed since.
        """
        asked_at = elapsed.elapsed()
        with nothing_sent():
            try:
                permission = await self._permission(call, objection)
            except KeyTaken:
                return await self.superseded(call.key, call.tool)
            if not isinstance(permission, Fresh):
                return await self._outcome_of_earlier_attempts(call, permission)
            if objection is not None:
                return await self._outcome_of_objection(call, objection, permission)
        self._reconciliation.note_intent(call, permission.intended_at)
        since = asked_at if permission.since is None else permission.since
        stood_still = elapsed.elapsed() - since
        if stood_still > elapsed.LATE:
            return await self._give_back(call, stood_still)
        return await self._call(call, permission.intended_at)

    async def call_off(self, ask: Act, tool: ToolSpec) -> Attempted:
        """Keep every later attempt from calling, and return the outcome of those that began."""
        reason = ENDED if ask.may_resume else CANCELLED
        why = Failed(reason=reason, did_not_happen=True, may_retry=ask.may_resume)
        with nothing_sent():
            try:
                permission = await forgo_for_good(
                    self._ledger, ask.key, ask.attempt, intended(tool, ask.arguments), why
                )
            except KeyTaken:
                return await self.superseded(ask.key, tool)
            charges = await charges_of(self._ledger, ask, tool)
        match permission:
            case Fresh(again):
                happened = Happened.UNKNOWN if again else Happened.NO
                called_off = not_called(tool.name, ToolEnded.CALLED_OFF, reason)
                before = {} if again else charges
                outcome = called_off.model_copy(update={"happened": happened})
                return Attempted(outcome, {**before, ask.attempt: Spend()})
            case Done(outcome):
                return Attempted(from_ledger(tool, outcome), charges)
            case Unknown(attempt, at):
                doubt = f"{reason}, and attempt {attempt} told nothing"
                return Attempted(AskPerson(attempt=attempt, intended_at=at, reason=doubt), {})
            case never:
                assert_never(never)

    async def superseded(self, key: StepKey, tool: ToolSpec) -> Attempted:
        """Return the outcome of a call whose key belongs to another call: it is never made."""
        record = await self._ledger.look(key)
        assert record is not None, "a key that is taken has entries"  # noqa: S101 - they are only ever added
        return Attempted(await superseded(self._blobs, tool, record))

    async def _permission(self, call: Call, objection: ToolOutcome | None) -> Fresh | Done | Unknown | Superseded:
        """Ask the ledger for permission to call, or store that this attempt does not call."""
        if objection is None:
            return await self._ledger.intend(call.key, call.attempt, call.intended, call.price)
        why = Failed(reason=reason_of(objection), did_not_happen=True)
        return await self._ledger.forgo(call.key, call.attempt, call.intended, why)

    async def _outcome_of_earlier_attempts(self, call: Call, permission: Done | Unknown | Superseded) -> Attempted:
        """Return the outcome of earlier attempts for an attempt that may not call."""
        match permission:
            case Done(outcome):
                charges = await charges_of(self._ledger, call.ask, call.tool)
                return Attempted(from_ledger(call.tool, outcome), charges)
            case Unknown(attempt, at):
                return await self._reconciliation.reconcile(call, attempt, at)
            case Superseded(by):
                return Attempted(Again(reason=f"attempt {by} came first", by=by), {call.attempt: Spend()})
            case never:
                assert_never(never)

    async def _outcome_of_objection(self, call: Call, objection: ToolOutcome, permission: Fresh) -> Attempted:
        """Return the objection as the outcome; reconcile first if an earlier attempt may have called."""
        if permission.again:
            return await self._reconciliation.reconcile(call, call.attempt, permission.intended_at)
        return Attempted(objection)

    async def _give_back(self, call: Call, stood_still: float) -> Attempted:
        """Store that this attempt did not call, so that the next one may."""
        reason = f"its process stood still for {stood_still:.0f} s before the call, so it was not made"
        await self._record(call, Failed(reason=reason, did_not_happen=True, may_retry=True))
        return Attempted(Again(reason=reason), {call.attempt: Spend()})

    async def _call(self, call: Call, intended_at: datetime | None) -> Attempted:
        """Call the tool once, now, and store the outcome in the ledger."""
        spec, charges = call.spec, {call.attempt: call.price}
        try:
            outcome = await self._boundary.run(
                call.tool, call.context(call.attempt), call.arguments, spec.results, spec.result_bytes
            )
        except asyncio.CancelledError:
            if not cancelled_on_purpose():
                raise  # the worker stops: the workflow tries again, and the ledger knows of this attempt
            reason = f"{CANCELLED} while {call.tool.name} ran"
            await self._record(call, Failed(reason=reason, did_not_happen=False))
            return Attempted(self._doubt(call, intended_at, reason), charges, stopped=True)
        match outcome.happened:
            case Happened.YES:
                entry = Succeeded(result=outcome.result)
            case Happened.NO:
                entry = Failed(reason=reason_of(outcome), did_not_happen=True)
            case Happened.UNKNOWN:
                entry = Failed(reason=reason_of(outcome), did_not_happen=False)
            case never:
                assert_never(never)
        recorded = await self._record(call, entry)
        if recorded.outcome is not None:
            shown = outcome if recorded.outcome == _without_body(entry) else from_ledger(call.tool, recorded.outcome)
            return Attempted(shown, charges, outcome.verdicts)
        # Although this attempt did nothing, an earlier one may have called.
        may_retry = outcome.happened is Happened.NO or call.tool.effect is ToolEffect.IDEMPOTENT
        if may_retry or self._boundary.can_reconcile(call.tool):
            return Attempted(Again(reason=reason_of(outcome)), charges)
        return Attempted(self._doubt(call, intended_at, reason_of(outcome)), charges)

    def _doubt(self, call: Call, intended_at: datetime | None, reason: str) -> AskPerson:
        """Return the request that a person says what became of this attempt."""
        assert intended_at is not None, "a ledger says when it let an attempt call"  # noqa: S101 - each one does
        return AskPerson(attempt=call.attempt, intended_at=intended_at, reason=reason)

    async def _record(self, call: Call, entry: Succeeded | Failed) -> Recorded:
        """Store the outcome in the ledger. Retry until the activity's time is over: without it the call is in doubt."""
        return await until_stored(lambda: self._ledger.record(call.key, call.attempt, entry), call.until)


def _without_body(entry: Succeeded | Failed) -> Succeeded | Failed:
    """Return an outcome as the ledger reads it back: without the result's body."""
    return entry if isinstance(entry, Failed) else entry.model_copy(update={"result": entry.result.reference()})
