"""Proof of approval: a call is made, and a decision accepted, only if this run's records allow it."""

import re
from collections.abc import Generator, Sequence
from datetime import timedelta

from pydantic import ValidationError

from activities.authorization.judged_call import JudgedCall, standing
from activities.authorization.rights import Rights
from activities.bodies.pins import Pins
from activities.ports import DecisionLedger, SavedThoughts
from activities.tool_calls.attempts import Attempted
from activities.tool_calls.outcomes import not_called
from perdure.contracts.agents.agent import AgentSpec, CallStage
from perdure.contracts.agents.steps import (
    Act,
    AskedCall,
    CheckDecision,
    CheckedDecision,
    ScreenCall,
    SettleCall,
    Thought,
    Unproven,
)
from perdure.contracts.budget import Spend
from perdure.contracts.runs.registry import RegisteredRun
from perdure.contracts.tool_calls.decisions import Ruling
from perdure.contracts.tool_calls.outcome import ToolEnded
from perdure.contracts.tool_calls.tools import Approval
from workflows.state_machines.approvals import lapse_ruling, lasted, policy_of
from workflows.state_machines.ending import LONGER, is_whole

CALL = re.compile(r"call-(\d+)-\d+")
"""A call's id: the number of its turn, and its place in that turn."""


class Proof:
    """Checks for the effects whether a person's decision allows them to go on.

    The registered spec of the run decides, and never the request.
    """

    def __init__(self, rights: Rights, pins: Pins, ledger: DecisionLedger, thoughts: SavedThoughts) -> None:
        self._rights = rights
        self._pins = pins
        self._ledger = ledger
        self._thoughts = thoughts

    async def record_request(self, run: RegisteredRun, spec: AgentSpec, ask: ScreenCall) -> None:
        """Record that a call begins to wait for people, if it has to. Doing it again changes nothing."""
        tool = spec.tool(ask.tool)
        if tool is not None and (tool.asks or tool.approval is Approval.ALWAYS):
            stage = CallStage.ASKING if tool.asks else CallStage.AWAITING_APPROVAL
            call = JudgedCall.of(run, tool, ask.key.step, ask.arguments, stage=stage)
            await self._ledger.record(ask.key, call.request)

    async def judge(self, ask: CheckDecision, identity: CheckedDecision) -> CheckedDecision:
        """Return whether a decision counts, and record one that does. Doing it again gives the same answer.

        `identity` is the signer of its credential, or why that was refused. Raises `NotThisRun` and what ports raise.
        """
        if ask.pinned is None or ask.arguments is None:
            return CheckedDecision(refused="nobody says by which spec and about which arguments it is decided")
        run = await self._rights.of(ask.key, ask.pinned.digest)
        spec = await self._pins.read(run.tenant, ask.pinned)
        tool = spec.tool(ask.tool)
        if tool is None:
            return CheckedDecision(refused=f"no tool {ask.tool!r} was granted")
        call = JudgedCall.of(
            run, tool, ask.key.step, ask.arguments, stage=ask.stage, unknown_attempt=ask.unknown_attempt
        )
        refused = call.objection(ask.decision)
        if refused is not None:
            return CheckedDecision(refused=refused)
        return await (self._judge_lapse(ask, call) if ask.lapsed else self._judge_decision(ask, call, identity))

    async def _judge_decision(self, ask: CheckDecision, call: JudgedCall, identity: CheckedDecision) -> CheckedDecision:
        """Judge a person's decision. One that is recorded already counts even if its credential has expired."""
        recorded = await self._ledger.look(ask.key)
        entry = call.entry(ask.decision, None if ask.decision.credential is None else identity)
        entry = call.escalated(entry, ask.escalations, recorded)
        known = next((one for one in recorded.entries if one.same_as(entry)), None)
        refused = None
        if known is None:
            refused = identity.refused or call.unheard(entry)
        elif known.ruling is Ruling.APPROVE and known not in standing(recorded.entries):
            refused = "the call was denied since: look at it again, and decide under a new decision_id"
        if refused:
            return CheckedDecision(refused=refused)
        counts = known or entry
        await self._ledger.record(ask.key, counts)
        return CheckedDecision(groups=counts.groups, verified=counts.verified)

    async def objection(self, run: RegisteredRun, spec: AgentSpec, ask: Act) -> str | None:
        """Return why a call may not be made, in one line; None if this run's records allow it.

        A tool that was never granted and a call that is cancelled need no approval.
        """
        tool = spec.tool(ask.tool)
        if tool is None or ask.call_off:
            return None
        if tool.asks:
            return f"{tool.name} is a question, which a person answers: it is never called"
        call = JudgedCall.of(run, tool, ask.key.step, ask.arguments, stage=CallStage.AWAITING_APPROVAL)
        if tool.approval is Approval.ALWAYS:
            return call.unproven((await self._ledger.look(ask.key)).entries)
        if await self._was_asked_for(ask):
            return None
        return f"the model has asked for no call {ask.key.step} of {tool.name} with these arguments in this run"

    async def settle_objection(self, run: RegisteredRun, spec: AgentSpec, ask: SettleCall) -> str | None:
        """Return why a decision may not settle a call, in one line; None if it is recorded for exactly this call."""
        tool, decision = spec.tool(ask.tool), ask.decision
        if tool is None:
            return None
        if ask.question is None:
            return "nobody says with which arguments the call was to be made"
        stage = CallStage.ASKING if tool.asks else CallStage.UNKNOWN
        if decision.ruling is Ruling.DENY and not tool.asks:
            stage = CallStage.AWAITING_APPROVAL
        call = JudgedCall.of(run, tool, ask.key.step, ask.question, stage=stage, unknown_attempt=ask.unknown_attempt)
        refused = call.objection(decision)
        if refused is not None:
            return refused
        entry = call.entry(decision, None, lapsed=ask.lapsed)
        entries = (await self._ledger.look(ask.key)).entries
        if any(one.same_as(entry) for one in entries):
            return None
        return f"no decision {decision.decision_id!r} about {ask.key.step} is recorded: look at it again, and decide"

    async def _judge_lapse(self, ask: CheckDecision, call: JudgedCall) -> CheckedDecision:
        """Judge a timeout's decision. It approves only a call that people were asked about for long enough."""
        timeout = policy_of(call.tool).timeout
        if timeout is None or ask.stage is CallStage.UNKNOWN:
            return CheckedDecision(refused=f"no policy decides about {ask.key.step} where nobody speaks")
        if ask.decision.ruling is not lapse_ruling(call.call, call.tool):
            return CheckedDecision(refused=f"the policy of {call.tool.name} does not say {ask.decision.ruling.value}")
        entry = call.entry(ask.decision, None, lapsed=True)
        if ask.decision.ruling is Ruling.APPROVE:
            recorded = await self._ledger.record(ask.key, call.request)
            asked_at = next(one.at for one in reversed(recorded.entries) if one.same_as(call.request))
            wait = timeout if asked_at is None else asked_at + timeout - recorded.now
            if wait > timedelta(0):
                early = f"people have not been asked for {lasted(timeout)} yet, by the database's clock"
                return CheckedDecision(refused=early, wait=wait)
            entry = entry.model_copy(update={"asked_at": asked_at})
        await self._ledger.record(ask.key, entry)
        return CheckedDecision()

    async def _was_asked_for(self, ask: Act) -> bool:
        """Return whether the model asked for exactly this call in a saved thought of this run."""
        call_id = CALL.fullmatch(ask.key.step)
        if call_id is None:
            return False
        wanted = ask.key.step, ask.tool, ask.arguments.digest
        for step in (f"think-{call_id[1]}", f"think-{call_id[1]}{LONGER}"):
            replies = await self._thoughts.saved(ask.key.model_copy(update={"step": step}))
            if any((call.id, call.tool, call.arguments.digest) == wanted for call in _calls_of(replies)):
                return True
        return False


def not_proven(ask: Act, reason: str) -> Attempted:
    """Return the result of an attempt without a proof of approval. It has cost nothing."""
    outcome = not_called(ask.tool, ToolEnded.REJECTED, reason)
    return Attempted(Unproven(reason=reason, outcome=outcome), charges={ask.attempt: Spend()})


def _calls_of(replies: Sequence[str]) -> Generator[AskedCall]:
    """Return the calls of saved thoughts that are whole. A saved reply of another kind holds none."""
    for reply in replies:
        try:
            thought = Thought.model_validate_json(reply)
        except ValidationError:
            continue
        if is_whole(thought):
            yield from thought.calls
