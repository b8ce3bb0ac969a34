"""Calls a tool that changes the world: the intent is written before the call, the outcome after it."""

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
from activities.tool_calls.reconciliation import FindingOut
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
    """Calls whatever is not only read, at most as often as the ledger allows."""

    def __init__(self, boundary: ToolBoundary, ledger: EffectLedger, blobs: BlobStore) -> None:
        self._boundary = boundary
        self._ledger = ledger
        self._blobs = blobs
        self._finding = FindingOut(boundary, ledger)

    async def attempt(self, call: Call, objection: ToolOutcome | None) -> Attempted:
        """Call if the ledger lets this attempt; otherwise say what is known of those before.

        With an objection it is not called, and that is written down, so that no late attempt calls either. Of what an
        earlier one may have called the ledger speaks all the same, also where the tool was changed since.
        """
        asked = elapsed.elapsed()
        with nothing_sent():
            try:
                permission = await self._permission(call, objection)
            except KeyTaken:
                return await self.superseded(call.key, call.tool)
            if not isinstance(permission, Fresh):
                return await self._known(call, permission)
            if objection is not None:
                return await self._objected(call, objection, permission)
        self._finding.saw(call, permission.intended_at)
        since = asked if permission.since is None else permission.since
        stood_still = elapsed.elapsed() - since
        if stood_still > elapsed.LATE:
            return await self._give_back(call, stood_still)
        return await self._call(call, permission.intended_at)

    async def call_off(self, ask: Act, tool: ToolSpec) -> Attempted:
        """Let no attempt begin any more, and say what became of those that began."""
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
        """The key stands for another call, so this one is never made."""
        record = await self._ledger.look(key)
        assert record is not None, "a key that is taken has entries"  # noqa: S101 - they are only ever added
        return Attempted(await superseded(self._blobs, tool, record))

    async def _permission(self, call: Call, objection: ToolOutcome | None) -> Fresh | Done | Unknown | Superseded:
        if objection is None:
            return await self._ledger.intend(call.key, call.attempt, call.intended, call.price)
        why = Failed(reason=reason_of(objection), did_not_happen=True)
        return await self._ledger.forgo(call.key, call.attempt, call.intended, why)

    async def _known(self, call: Call, permission: Done | Unknown | Superseded) -> Attempted:
        """What earlier attempts have left, where this one may not call."""
        match permission:
            case Done(outcome):
                charges = await charges_of(self._ledger, call.ask, call.tool)
                return Attempted(from_ledger(call.tool, outcome), charges)
            case Unknown(attempt, at):
                return await self._finding.find_out(call, attempt, at)
            case Superseded(by):
                return Attempted(Again(reason=f"attempt {by} came first", by=by), {call.attempt: Spend()})
            case never:
                assert_never(never)

    async def _objected(self, call: Call, objection: ToolOutcome, permission: Fresh) -> Attempted:
        """It is written down that this attempt does not call, and so none does; an earlier one may have called."""
        if permission.again:
            return await self._finding.find_out(call, call.attempt, permission.intended_at)
        return Attempted(objection)

    async def _give_back(self, call: Call, stood_still: float) -> Attempted:
        """It was not called, so the next attempt may."""
        reason = f"its process stood still for {stood_still:.0f} s before the call, so it was not made"
        await self._record(call, Failed(reason=reason, did_not_happen=True, may_retry=True))
        return Attempted(Again(reason=reason), {call.attempt: Spend()})

    async def _call(self, call: Call, intended_at: datetime | None) -> Attempted:
        """Call it, now and once, and write down what came of it."""
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
                told = Succeeded(result=outcome.result)
            case Happened.NO:
                told = Failed(reason=reason_of(outcome), did_not_happen=True)
            case Happened.UNKNOWN:
                told = Failed(reason=reason_of(outcome), did_not_happen=False)
            case never:
                assert_never(never)
        recorded = await self._record(call, told)
        if recorded.outcome is not None:
            shown = outcome if recorded.outcome == _bare(told) else from_ledger(call.tool, recorded.outcome)
            return Attempted(shown, charges, outcome.verdicts)
        # Where this attempt did nothing, an earlier one may have called all the same.
        others = outcome.happened is Happened.NO or call.tool.effect is ToolEffect.IDEMPOTENT
        if others or self._boundary.can_reconcile(call.tool):
            return Attempted(Again(reason=reason_of(outcome)), charges)
        return Attempted(self._doubt(call, intended_at, reason_of(outcome)), charges)

    def _doubt(self, call: Call, intended_at: datetime | None, reason: str) -> AskPerson:
        assert intended_at is not None, "a ledger says when it let an attempt call"  # noqa: S101 - each one does
        return AskPerson(attempt=call.attempt, intended_at=intended_at, reason=reason)

    async def _record(self, call: Call, told: Succeeded | Failed) -> Recorded:
        """Tell the ledger, for as long as the activity may take: what is not told now is in doubt for good."""
        return await until_stored(lambda: self._ledger.record(call.key, call.attempt, told), call.until)


def _bare(told: Succeeded | Failed) -> Succeeded | Failed:
    """As the ledger reads it back: without a body."""
    return told if isinstance(told, Failed) else told.model_copy(update={"result": told.result.reference()})
