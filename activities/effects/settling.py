"""Settles a call by a person's decision: it is denied, or its unknown outcome is decided, or a question is answered."""

from typing import assert_never

from activities.authorization.proof import Proof
from activities.authorization.rights import Rights
from activities.bodies import texts
from activities.bodies.pins import Pins
from activities.ports import BlobStore, Done, EffectLedger, Fresh, KeyTaken, LedgerRefused, Unknown, nothing_sent
from activities.tool_calls.boundary import ToolBoundary
from activities.tool_calls.forgoing import forgo_for_good
from activities.tool_calls.outcomes import REASON, crossing, from_ledger, intended, not_called, superseded
from perdure.contracts.agents.agent import AgentSpec
from perdure.contracts.agents.steps import SettleCall, SettledCall
from perdure.contracts.chains.steps import StepKey
from perdure.contracts.contract import BadInput
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.decisions import Ruling, StepDecision
from perdure.contracts.tool_calls.ledger import CallPhase, CallRecord, Decision, Failed, Refusal, Word
from perdure.contracts.tool_calls.outcome import Happened, ToolEnded, ToolOutcome
from perdure.contracts.tool_calls.tools import ToolEffect, ToolSpec
from tools.ask_person import Question, answer_to
from tools.base import ToolContext
from workflows.effects import SETTLE_CALL

WORDS = {
    Ruling.DID_HAPPEN: Word.DID_HAPPEN,
    Ruling.DID_NOT_HAPPEN: Word.DID_NOT_HAPPEN,
    Ruling.RETRY: Word.RETRY,
}
"""The ledger's word for each ruling."""

DONE_ALREADY = "it came too late: the call was made before, and its outcome stays"

ANOTHER_CALL = "before this run was reset, the same step was another call: this one is never made"

NEVER_CALLED = "no attempt was ever allowed to call it, so it did not happen: say did_not_happen or retry"


class Settling:
    """The effect `settle_call`."""

    def __init__(
        self,
        boundary: ToolBoundary,
        ledger: EffectLedger,
        blobs: BlobStore,
        pins: Pins,
        *,
        rights: Rights,
        proof: Proof,
    ) -> None:
        self._boundary = boundary
        self._ledger = ledger
        self._blobs = blobs
        self._pins = pins
        self._rights = rights
        self._proof = proof

    @SETTLE_CALL.activity
    async def settle_call(self, ask: SettleCall) -> SettledCall:
        """Settle a call. Safe to run twice: the ledger gives the same answer again, and texts are stored by digest."""
        with nothing_sent():
            return await self._settle(ask)

    async def _settle(self, ask: SettleCall) -> SettledCall:
        run = await self._rights.of(ask.key, ask.pinned.digest)
        spec = await self._pins.read(ask.key.tenant, ask.pinned)
        tool = spec.tool(ask.tool)
        if tool is None:
            return SettledCall(refused=f"no tool {ask.tool!r} was granted")
        unproven = await self._proof.settle_objection(run, spec, ask)
        if unproven is not None:
            return SettledCall(refused=unproven, unproven=True)
        return await self._apply(ask, spec, tool)

    async def _apply(self, ask: SettleCall, spec: AgentSpec, tool: ToolSpec) -> SettledCall:
        """Apply a decision that the ledger of decisions holds."""
        if tool.asks:
            return await self._answer_question(ask, spec, tool)
        if ask.decision.ruling is Ruling.DENY:
            return await self._deny(ask, tool)
        record = await self._ledger.look(ask.key)
        if record is None:
            happened = ask.decision.ruling is Ruling.DID_HAPPEN
            return SettledCall(refused=NEVER_CALLED) if happened else SettledCall()
        if ask.question is not None and record.call != intended(tool, ask.question):
            return await self._settle_as_superseded(ask, tool, record)
        return await self._decide(ask, spec, tool, record)

    async def _decide(self, ask: SettleCall, spec: AgentSpec, tool: ToolSpec, record: CallRecord) -> SettledCall:
        """Decide a call whose outcome was unknown."""
        result = ask.decision.result
        outcome: ToolOutcome | None = None
        if result is not None:
            outcome = await self._boundary.outcome_of_result(
                tool, _context(ask), result, spec.results, spec.result_bytes
            )
        answer = await self._ledger.decide(ask.key, await self._decision(ask.key, ask.decision, record, outcome))
        if isinstance(answer, LedgerRefused):
            if answer.why is Refusal.MAY_CALL_ALREADY:
                return SettledCall()
            earlier = None if answer.outcome is None else from_ledger(tool, answer.outcome)
            return await self._store(ask, earlier, f"the ledger refuses it: {answer.why.value}")
        return await self._store(ask, outcome)

    async def _deny(self, ask: SettleCall, tool: ToolSpec) -> SettledCall:
        """Deny a call: no attempt may begin any more, not even one that was delayed until now."""
        denied = not_called(tool.name, ToolEnded.DENIED, _denial(ask))
        # An older workflow version sends no arguments.
        if tool.effect is ToolEffect.READ_ONLY or ask.question is None:
            return await self._store(ask, denied)
        why = Failed(reason=(denied.result.body or "")[:REASON], did_not_happen=True)
        try:
            permission = await forgo_for_good(self._ledger, ask.key, 1, intended(tool, ask.question), why)
        except KeyTaken:
            return await self._settle_as_superseded(ask, tool, await self._ledger.look(ask.key))
        match permission:
            case Fresh(again=False) | Done(Failed(did_not_happen=True)):
                return await self._store(ask, denied)
            case Done(outcome):
                return await self._store(ask, from_ledger(tool, outcome), DONE_ALREADY)
            case Fresh() | Unknown():
                line = f"{denied.result.body} But before this run was reset it may have been: nobody knows."
                doubt = {"happened": Happened.UNKNOWN, "result": Text.of(line)}
                return await self._store(ask, denied.model_copy(update=doubt))
            case never:
                assert_never(never)

    async def _settle_as_superseded(self, ask: SettleCall, tool: ToolSpec, record: CallRecord | None) -> SettledCall:
        """Settle a call whose key belongs to another call: a decision about this one does not concern that."""
        assert record is not None, "a key that is taken has entries"  # noqa: S101 - they are only ever added
        return await self._store(ask, await superseded(self._blobs, tool, record), ANOTHER_CALL)

    async def _answer_question(self, ask: SettleCall, spec: AgentSpec, tool: ToolSpec) -> SettledCall:
        """Answer a question with the person's words, or say that there is no answer. A question is never called."""
        decision = ask.decision
        if decision.ruling is Ruling.DENY:
            ended = ToolEnded.TIMED_OUT if ask.lapsed else ToolEnded.DENIED
            no_answer = Text.of(f"There is no answer: {' '.join(_denial(ask).split())}")
            denied = not_called(tool.name, ended, _denial(ask)).model_copy(update={"result": no_answer})
            return await self._store(ask, denied)
        if ask.question is None:
            return SettledCall(refused="nobody knows what was asked")
        question = Question.model_validate_json(await texts.read(self._blobs, ask.key.tenant, ask.question))
        try:
            answer = answer_to(question, decision.answer)
        except BadInput as error:
            return SettledCall(refused=str(error))
        outcome = await self._boundary.outcome_of_result(tool, _context(ask), answer, spec.results, spec.result_bytes)
        return await self._store(ask, outcome)

    async def _decision(
        self, key: StepKey, decision: StepDecision, record: CallRecord, outcome: ToolOutcome | None
    ) -> Decision:
        """Return the decision for the ledger. An attempt without an outcome is first recorded as unknown."""
        if record.phase is CallPhase.INTENDED:
            await self._ledger.record(
                key, record.attempt, Failed(reason="nobody told what came of it", did_not_happen=False)
            )
        return Decision(
            decision_id=decision.decision_id,
            attempt=record.attempt,
            word=WORDS[decision.ruling],
            by=decision.by,
            reason=decision.reason,
            result=None if outcome is None else outcome.result,
        )

    async def _store(self, ask: SettleCall, outcome: ToolOutcome | None, refused: str = "") -> SettledCall:
        """Store the outcome's text, and return the outcome as it crosses the history."""
        if outcome is None:
            return SettledCall(refused=refused)
        await texts.store(self._blobs, ask.key.tenant, outcome.result)
        return SettledCall(outcome=crossing(outcome), refused=refused)


def _context(ask: SettleCall) -> ToolContext:
    return ToolContext(ask.key.tenant, ask.key.workflow_id, ask.key.step, ask.key.idempotency_key)


def _denial(ask: SettleCall) -> str:
    decision = ask.decision
    if ask.lapsed:
        return decision.reason
    return f"{decision.by} said no" + (f": {decision.reason}" if decision.reason else "")
