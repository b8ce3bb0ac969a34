"""Takes a person's word on a call: that it is denied, or what became of a call whose outcome is unknown."""

from typing import assert_never

from activities.authorization.proof import Proof
from activities.authorization.rights import Rights
from activities.bodies import texts
from activities.bodies.pins import Pins
from activities.ports import BlobStore, Done, EffectLedger, Fresh, KeyTaken, LedgerRefused, Unknown, nothing_sent
from activities.tool_calls.boundary import ToolBoundary
from activities.tool_calls.forgoing import forgo_for_good
from activities.tool_calls.outcomes import REASON, from_ledger, intended, not_called, superseded
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
"""What a ruling is called in the ledger."""

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
        """Safe to run twice: the ledger answers the same decision as before, and texts are stored by digest."""
        with nothing_sent():
            return await self._settled(ask)

    async def _settled(self, ask: SettleCall) -> SettledCall:
        run = await self._rights.of(ask.key, ask.pinned.digest)
        spec = await self._pins.read(ask.key.tenant, ask.pinned)
        tool = spec.tool(ask.tool)
        if tool is None:
            return SettledCall(refused=f"no tool {ask.tool!r} was granted")
        unproven = await self._proof.settle_objection(run, spec, ask)
        if unproven is not None:
            return SettledCall(refused=unproven, unproven=True)
        return await self._taken(ask, spec, tool)

    async def _taken(self, ask: SettleCall, spec: AgentSpec, tool: ToolSpec) -> SettledCall:
        """What a word comes to that is recorded."""
        if tool.asks:
            return await self._question(ask, spec, tool)
        if ask.decision.ruling is Ruling.DENY:
            return await self._denied(ask, tool)
        record = await self._ledger.look(ask.key)
        if record is None:
            did = ask.decision.ruling is Ruling.DID_HAPPEN
            return SettledCall(refused=NEVER_CALLED) if did else SettledCall()
        if ask.question is not None and record.call != intended(tool, ask.question):
            return await self._another(ask, tool, record)
        return await self._decided(ask, spec, tool, record)

    async def _decided(self, ask: SettleCall, spec: AgentSpec, tool: ToolSpec, record: CallRecord) -> SettledCall:
        """Take a word on a call whose outcome was unknown."""
        result = ask.decision.result
        found: ToolOutcome | None = None
        if result is not None:
            found = await self._boundary.outcome_of_result(tool, _context(ask), result, spec.results, spec.result_bytes)
        answer = await self._ledger.decide(ask.key, await self._decision(ask.key, ask.decision, record, found))
        if isinstance(answer, LedgerRefused):
            if answer.why is Refusal.MAY_CALL_ALREADY:
                return SettledCall()
            outcome = None if answer.outcome is None else from_ledger(tool, answer.outcome)
            return await self._told(ask, outcome, f"the ledger refuses it: {answer.why.value}")
        return await self._told(ask, found)

    async def _denied(self, ask: SettleCall, tool: ToolSpec) -> SettledCall:
        """A call that somebody said no to: no attempt may begin any more, also none that was delayed until now."""
        denied = not_called(tool.name, ToolEnded.DENIED, _no(ask))
        if tool.effect is ToolEffect.READ_ONLY or ask.question is None:  # of an older workflow, which did not say it
            return await self._told(ask, denied)
        why = Failed(reason=(denied.result.body or "")[:REASON], did_not_happen=True)
        try:
            permission = await forgo_for_good(self._ledger, ask.key, 1, intended(tool, ask.question), why)
        except KeyTaken:
            return await self._another(ask, tool, await self._ledger.look(ask.key))
        match permission:
            case Fresh(again=False) | Done(Failed(did_not_happen=True)):
                return await self._told(ask, denied)
            case Done(outcome):
                return await self._told(ask, from_ledger(tool, outcome), DONE_ALREADY)
            case Fresh() | Unknown():
                line = f"{denied.result.body} But before this run was reset it may have been: nobody knows."
                doubt = {"happened": Happened.UNKNOWN, "result": Text.of(line)}
                return await self._told(ask, denied.model_copy(update=doubt))
            case never:
                assert_never(never)

    async def _another(self, ask: SettleCall, tool: ToolSpec, record: CallRecord | None) -> SettledCall:
        """The key stands for another call: no word about this one says anything about that."""
        assert record is not None, "a key that is taken has entries"  # noqa: S101 - they are only ever added
        return await self._told(ask, await superseded(self._blobs, tool, record), ANOTHER_CALL)

    async def _question(self, ask: SettleCall, spec: AgentSpec, tool: ToolSpec) -> SettledCall:
        """A question is never called: it is answered, or it is not."""
        said = ask.decision
        if said.ruling is Ruling.DENY:
            ended = ToolEnded.TIMED_OUT if ask.lapsed else ToolEnded.DENIED
            there_is_none = Text.of(f"There is no answer: {' '.join(_no(ask).split())}")
            denied = not_called(tool.name, ended, _no(ask)).model_copy(update={"result": there_is_none})
            return await self._told(ask, denied)
        if ask.question is None:
            return SettledCall(refused="nobody knows what was asked")
        question = Question.model_validate_json(await texts.read(self._blobs, ask.key.tenant, ask.question))
        try:
            answer = answer_to(question, said.answer)
        except BadInput as error:
            return SettledCall(refused=str(error))
        found = await self._boundary.outcome_of_result(tool, _context(ask), answer, spec.results, spec.result_bytes)
        return await self._told(ask, found)

    async def _decision(
        self, key: StepKey, said: StepDecision, record: CallRecord, found: ToolOutcome | None
    ) -> Decision:
        """The word on the attempt that the ledger misses; one that nobody has missed yet is missed now."""
        if record.phase is CallPhase.INTENDED:
            await self._ledger.record(
                key, record.attempt, Failed(reason="nobody told what came of it", did_not_happen=False)
            )
        return Decision(
            decision_id=said.decision_id,
            attempt=record.attempt,
            word=WORDS[said.ruling],
            by=said.by,
            reason=said.reason,
            result=None if found is None else found.result,
        )

    async def _told(self, ask: SettleCall, outcome: ToolOutcome | None, refused: str = "") -> SettledCall:
        if outcome is None:
            return SettledCall(refused=refused)
        await texts.store(self._blobs, ask.key.tenant, outcome.result)
        told = outcome.model_copy(update={"result": outcome.result.carried(), "verdicts": ()})
        return SettledCall(outcome=told, refused=refused)


def _context(ask: SettleCall) -> ToolContext:
    return ToolContext(ask.key.tenant, ask.key.workflow_id, ask.key.step, ask.key.idempotency_key)


def _no(ask: SettleCall) -> str:
    said = ask.decision
    if ask.lapsed:
        return said.reason
    return f"{said.by} said no" + (f": {said.reason}" if said.reason else "")
