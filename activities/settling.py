"""Takes a person's word on a call: that it is denied, or what became of one of which nobody knows."""

from activities import texts
from activities.call_outcomes import from_ledger, not_called
from activities.pins import Pins
from activities.ports import BlobStore, EffectLedger, Refused
from activities.tool_boundary import ToolBoundary
from perdure.contracts.agent import AgentSpec
from perdure.contracts.agent_steps import SettleCall, SettledCall
from perdure.contracts.contract import BadInput
from perdure.contracts.decisions import Ruling, StepDecision
from perdure.contracts.ledger import CallPhase, CallRecord, Decision, Failed, Refusal, Word
from perdure.contracts.steps import StepKey
from perdure.contracts.text import Text
from perdure.contracts.tool_outcome import ToolEnded, ToolOutcome
from perdure.contracts.tools import ToolSpec
from tools.ask_person import Question, answer_to
from tools.base import ToolContext
from workflows.effects import SETTLE_CALL

WORDS = {
    Ruling.DID_HAPPEN: Word.DID_HAPPEN,
    Ruling.DID_NOT_HAPPEN: Word.DID_NOT_HAPPEN,
    Ruling.RETRY: Word.RETRY,
}
"""What a ruling is called in the ledger."""

NEVER_CALLED = "no attempt was ever allowed to call it, so it did not happen: say did_not_happen or retry"


class Settling:
    """The effect `settle_call`."""

    def __init__(self, boundary: ToolBoundary, ledger: EffectLedger, blobs: BlobStore, pins: Pins) -> None:
        self._boundary = boundary
        self._ledger = ledger
        self._blobs = blobs
        self._pins = pins

    @SETTLE_CALL.activity
    async def settle_call(self, ask: SettleCall) -> SettledCall:
        """Safe to run twice: the ledger answers the same decision as before, and texts are stored by digest."""
        spec = await self._pins.read(ask.key.tenant, ask.pinned)
        tool = spec.tool(ask.tool)
        if tool is None:
            return SettledCall(refused=f"no tool {ask.tool!r} was granted")
        if tool.asks or ask.decision.ruling is Ruling.DENY:
            return await self._uncalled(ask, spec, tool)
        record = await self._ledger.look(ask.key)
        if record is None:
            did = ask.decision.ruling is Ruling.DID_HAPPEN
            return SettledCall(refused=NEVER_CALLED) if did else SettledCall()
        result = ask.decision.result
        found: ToolOutcome | None = None
        if result is not None:
            context = ToolContext(ask.key.tenant, ask.key.workflow_id, ask.key.step, ask.key.idempotency_key)
            found = await self._boundary.found(tool, context, result, spec.results, spec.result_bytes)
        answer = await self._ledger.decide(ask.key, await self._decision(ask.key, ask.decision, record, found))
        if isinstance(answer, Refused):
            if answer.why is Refusal.MAY_CALL_ALREADY:
                return SettledCall()
            outcome = None if answer.outcome is None else from_ledger(tool, answer.outcome)
            refused = f"the ledger refuses it: {answer.why.value}"
            return (await self._told(ask, outcome)).model_copy(update={"refused": refused})
        return await self._told(ask, found)

    async def _uncalled(self, ask: SettleCall, spec: AgentSpec, tool: ToolSpec) -> SettledCall:
        """What is never called: a call that was denied, and a question, which is answered or is not."""
        said = ask.decision
        if said.ruling is Ruling.DENY:
            ended = ToolEnded.TIMED_OUT if ask.lapsed and tool.asks else ToolEnded.DENIED
            denied = not_called(tool.name, ended, _no(ask))
            if tool.asks:
                there_is_none = Text.of(f"There is no answer: {' '.join(_no(ask).split())}")
                denied = denied.model_copy(update={"result": there_is_none})
            return await self._told(ask, denied)
        if ask.question is None:
            return SettledCall(refused="nobody knows what was asked")
        question = Question.model_validate_json(await texts.read(self._blobs, ask.key.tenant, ask.question))
        try:
            answer = answer_to(question, said.answer)
        except BadInput as error:
            return SettledCall(refused=str(error))
        context = ToolContext(ask.key.tenant, ask.key.workflow_id, ask.key.step, ask.key.idempotency_key)
        found = await self._boundary.found(tool, context, answer, spec.results, spec.result_bytes)
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

    async def _told(self, ask: SettleCall, outcome: ToolOutcome | None) -> SettledCall:
        if outcome is None:
            return SettledCall()
        await texts.store(self._blobs, ask.key.tenant, outcome.result)
        return SettledCall(outcome=outcome.model_copy(update={"result": outcome.result.carried(), "verdicts": ()}))


def _no(ask: SettleCall) -> str:
    said = ask.decision
    if ask.lapsed:
        return said.reason
    return f"{said.by} said no" + (f": {said.reason}" if said.reason else "")
