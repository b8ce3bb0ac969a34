"""Finds out what became of a call whose attempt was allowed to call and reported no outcome."""

import asyncio
from datetime import datetime
from typing import assert_never
from uuid import uuid4

from activities.ports import EffectLedger, LedgerRefused
from activities.tool_calls.attempts import Attempted, Call, charges_of
from activities.tool_calls.boundary import ToolBoundary
from activities.tool_calls.outcomes import from_ledger
from activities.waiting import elapsed
from perdure.contracts.agents.steps import Again, AskPerson
from perdure.contracts.budget import Spend
from perdure.contracts.tool_calls.ledger import Decision, Source, Word
from tools.evidence import CannotTellYet, DidHappen, NeverWill

LONGEST_PAUSE = 10.0
"""The longest pause between two questions to the tool, in seconds."""


class Reconciliation:
    """Asks the tool's own `reconcile`, and believes it only if it is sure; otherwise asks a person."""

    def __init__(self, boundary: ToolBoundary, ledger: EffectLedger) -> None:
        self._boundary = boundary
        self._ledger = ledger
        self._seen = elapsed.SeenIntents()

    def note_intent(self, call: Call, intended_at: datetime | None) -> None:
        """Remember that an attempt of this process is allowed to call from now on."""
        self._seen.since(call.key, call.attempt, intended_at)

    async def reconcile(self, call: Call, attempt: int, intended_at: datetime | None) -> Attempted:
        """Ask the tool, or a person, what became of an attempt that was allowed to call and reported no outcome."""
        tool, charges = call.tool, {call.attempt: Spend()}
        reason = f"attempt {attempt} was allowed to call and told nothing"
        if not self._boundary.can_reconcile(tool):
            assert intended_at is not None, "a ledger says when it let an attempt call"  # noqa: S101 - each one does
            return Attempted(AskPerson(attempt=attempt, intended_at=intended_at, reason=reason), charges)
        settles = self._boundary.settles_within(tool)
        # The last pause has to leave time for one more question.
        until, pause = call.until - tool.timeout.total_seconds(), 1.0
        while True:
            rest = (settles - self._seen.since(call.key, attempt, intended_at)).total_seconds()
            evidence = await self._boundary.reconcile(tool, call.context(attempt))
            match evidence:
                case DidHappen(result):
                    return await self._decide(call, attempt, result)
                case NeverWill() if rest <= 0:
                    return await self._decide(call, attempt, None)
                case NeverWill():
                    doubt = f"it may still happen, for {rest:.0f} s"
                case CannotTellYet(doubt):
                    pass
                case never:
                    assert_never(never)
            left = until - elapsed.elapsed()
            if rest <= 0 or left <= 0:
                return Attempted(Again(reason=f"{reason}, and what became of it is not known yet: {doubt}"), charges)
            await asyncio.sleep(min(rest, left, pause))
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _decide(self, call: Call, attempt: int, result: str | None) -> Attempted:
        """Store what `reconcile` is sure of. An outcome that was stored in the meantime counts instead."""
        tool, spec, outcome = call.tool, call.spec, None
        if result is not None:
            context = call.context(attempt)
            outcome = await self._boundary.outcome_of_result(tool, context, result, spec.results, spec.result_bytes)
        decision = Decision(
            # A reset run counts its attempts from 1 again, and a decision before the reset was another one.
            decision_id=f"reconcile-{call.attempt}-{uuid4().hex}",
            attempt=attempt,
            word=Word.DID_NOT_HAPPEN if outcome is None else Word.DID_HAPPEN,
            source=Source.RECONCILE,
            by=tool.name,
            result=None if outcome is None else outcome.result,
        )
        answer = await self._ledger.decide(call.key, decision)
        if answer.outcome is not None:
            charges = await charges_of(self._ledger, call.ask, tool)
            ours = outcome if not isinstance(answer, LedgerRefused) else None
            shown = ours or from_ledger(tool, answer.outcome)
            return Attempted(shown, charges, shown.verdicts)
        conclusion = (
            f"the ledger refuses that: {answer.why.value}" if isinstance(answer, LedgerRefused) else "it did not happen"
        )
        reason = f"attempt {attempt} was allowed to call and told nothing, and {conclusion}"
        return Attempted(Again(reason=reason), {call.attempt: Spend()})
