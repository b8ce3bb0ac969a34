"""Calls an agent's tools. The intent is stored before a call and the outcome after it, so that none happens twice."""

import asyncio
import uuid
from contextlib import nullcontext
from dataclasses import replace
from typing import assert_never

from temporalio import activity

from activities.authorization.proof import Proof, not_proven
from activities.authorization.rights import Rights
from activities.bodies import texts
from activities.bodies.pins import Pins
from activities.bodies.transcripts import Transcripts
from activities.ports import Accounts, BlobStore, EffectLedger, Guards, Subject, nothing_sent
from activities.tool_calls.attempts import Attempted, Call, Contexts, cancelled_on_purpose
from activities.tool_calls.boundary import ToolBoundary, unknown_tool
from activities.tool_calls.calling import CANCELLED, Calling
from activities.tool_calls.outcomes import crossing, not_called, reason_of, too_early
from activities.waiting import elapsed
from perdure.contracts.agents.agent import AgentSpec
from perdure.contracts.agents.steps import (
    Act,
    Acted,
    Again,
    AskPerson,
    CallAnswered,
    ScreenCall,
    ScreenedCall,
    Unproven,
)
from perdure.contracts.agents.transcript import Role, Transcript, Turn
from perdure.contracts.budget import Spend
from perdure.contracts.guards import Verdict
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.outcome import ToolEnded, ToolOutcome
from perdure.contracts.tool_calls.tools import ToolEffect, ToolSpec
from workflows.effects import ACT, SCREEN_CALL


class Acting:
    """The effects `screen_call` and `act`."""

    def __init__(
        self,
        boundary: ToolBoundary,
        ledger: EffectLedger,
        *,
        guards: Guards,
        blobs: BlobStore,
        pins: Pins,
        transcripts: Transcripts,
        contexts: Contexts,
        rights: Rights,
        proof: Proof,
        accounts: Accounts,
    ) -> None:
        self._boundary = boundary
        self._calling = Calling(boundary, ledger, blobs)
        self._guards = guards
        self._blobs = blobs
        self._pins = pins
        self._transcripts = transcripts
        self._contexts = contexts
        self._rights = rights
        self._proof = proof
        self._accounts = accounts

    @SCREEN_CALL.activity
    async def screen_call(self, ask: ScreenCall) -> ScreenedCall:
        """Check a call before people are asked about it.

        Safe to run twice: texts are stored by digest, and the record that people are asked is written once.
        """
        tenant = ask.key.tenant
        with nothing_sent():
            run = await self._rights.of(ask.key, ask.pinned.digest)
            spec = await self._pins.read(tenant, ask.pinned)
            arguments = await texts.read(self._blobs, tenant, ask.arguments)
            rejected, verdicts = await self._objection(spec, ask, arguments)
            await texts.store(self._blobs, tenant, ask.arguments if rejected is None else rejected.result)
            if rejected is None:
                await self._proof.record_request(run, spec, ask)
        if rejected is None:
            return ScreenedCall(arguments=Text.of(arguments).carried(), verdicts=verdicts)
        return ScreenedCall(
            arguments=ask.arguments.reference(),
            rejected=rejected.model_copy(update={"result": rejected.result.carried()}),
            problem=reason_of(rejected),
            verdicts=verdicts,
        )

    @ACT.activity
    async def act(self, ask: Act) -> Acted:
        """Run one attempt of a call. A tool that changes the world is called only if the ledger allows it."""
        until = elapsed.elapsed() + elapsed.seconds_left()
        with nothing_sent():
            run = await self._rights.of(ask.key, ask.pinned.digest)
            spec = await self._pins.read(ask.key.tenant, ask.pinned)
            unproven = await self._proof.objection(run, spec, ask)
        return await self._store_and_settle(ask, await self._attempt(ask, spec, unproven, until))

    async def _attempt(self, ask: Act, spec: AgentSpec, unproven: str | None, until: float) -> Attempted:
        """Make one attempt of the call, or answer it without a call. Only the ledger is written here."""
        tool = spec.tool(ask.tool)
        if tool is None:
            return Attempted(unknown_tool(ask.tool, [granted.name for granted in spec.tools]))
        if ask.call_off:
            return await self._call_off(ask, tool)
        if unproven is not None:
            return not_proven(ask, unproven)
        with nothing_sent():
            arguments = await texts.read(self._blobs, ask.key.tenant, ask.arguments)
            objection, verdicts = await self._objection(spec, ask, arguments)
        call = Call(ask, spec, tool, arguments, self._contexts, until)
        if tool.effect is ToolEffect.READ_ONLY:
            attempted = await self._read(call, objection)
        else:
            attempted = await self._calling.attempt(call, objection)
        return replace(attempted, verdicts=(*verdicts, *attempted.verdicts), arguments=arguments)

    async def _objection(
        self, spec: AgentSpec, ask: Act | ScreenCall, arguments: str
    ) -> tuple[ToolOutcome | None, tuple[Verdict, ...]]:
        """Return the outcome of a call that cannot be made, None if it can, with the verdicts on its arguments."""
        tool = spec.tool(ask.tool)
        if tool is None:
            return unknown_tool(ask.tool, [granted.name for granted in spec.tools]), ()
        if ask.missing:
            return too_early(tool.name, ask.missing), ()
        rejected = await self._boundary.objection(tool, arguments, spec.results, spec.result_bytes)
        if rejected is not None or not spec.arguments:
            return rejected, ()
        verdicts = await self._guards.run(spec.arguments, Subject(text=arguments, tenant=ask.key.tenant))
        blocking = "; ".join(verdict.reason for verdict in verdicts if verdict.blocks)
        if blocking:
            return not_called(tool.name, ToolEnded.REJECTED, f"its arguments are kept back: {blocking}"), verdicts
        return None, verdicts

    async def _call_off(self, ask: Act, tool: ToolSpec) -> Attempted:
        """End a call of a cancelled run. A tool that only reads needs no entry in the ledger."""
        if tool.effect is ToolEffect.READ_ONLY:
            return Attempted(not_called(tool.name, ToolEnded.CALLED_OFF, CANCELLED))
        return await self._calling.call_off(ask, tool)

    async def _read(self, call: Call, objection: ToolOutcome | None) -> Attempted:
        """Call a tool that changes nothing: without asking the ledger, and without an entry in it."""
        if objection is not None:
            return Attempted(objection)
        spec, charges = call.spec, {call.attempt: call.price}
        context = call.context(call.attempt)
        # A read without a price is repeated for nothing; repeating one with a price would be another bill.
        free = not call.tool.price
        with nothing_sent():
            await self._accounts.charge_call(call.key, call.attempt, _charging_id(), call.price)
        try:
            with nothing_sent() if free else nullcontext():
                outcome = await self._boundary.run(call.tool, context, call.arguments, spec.results, spec.result_bytes)
        except asyncio.CancelledError:
            if not cancelled_on_purpose():
                raise  # the worker stops: the workflow tries again
            called_off = not_called(call.tool.name, ToolEnded.CALLED_OFF, CANCELLED)
            return Attempted(called_off, charges, stopped=True, free=free)
        return Attempted(outcome, charges, outcome.verdicts, free=free)

    async def _store_and_settle(self, ask: Act, attempted: Attempted) -> Acted:
        """Store the texts that the model is shown, and return the attempt's result with its charges."""
        result, arguments = attempted.result, attempted.arguments
        match result:
            case ToolOutcome():
                result = CallAnswered(outcome=await self._stored(ask, attempted, result, *self._turn(ask, result)))
            case Unproven():
                result = result.model_copy(update={"outcome": await self._stored(ask, attempted, result.outcome)})
            case AskPerson():
                if arguments is not None:
                    # The person has to see the arguments to find out what became of the call.
                    result = result.model_copy(update={"arguments": Text.of(arguments).carried()})
            case Again():
                pass
            case never:
                assert_never(never)
        return Acted(
            came=result,
            verdicts=attempted.verdicts,
            charges={ask.attempt: Spend(tool_calls=1)} if attempted.charges is None else attempted.charges,
            stopped=attempted.stopped,
            kept=isinstance(result, CallAnswered) and ask.parent is not None,
        )

    async def _stored(self, ask: Act, attempted: Attempted, outcome: ToolOutcome, *turn: Text) -> ToolOutcome:
        """Store the text of an outcome, along with its turn; return the outcome as it crosses the history."""
        with nothing_sent() if attempted.charges is None or attempted.free else nullcontext():
            await texts.store(self._blobs, ask.key.tenant, outcome.result, *turn)
        return crossing(outcome)

    def _turn(self, ask: Act, outcome: ToolOutcome) -> list[Text]:
        """Return the node of the answer's turn, to be stored with its text; none if the turn before it is unknown."""
        if ask.parent is None:
            return []
        turn = Turn(role=Role.TOOL, body=outcome.result, call=ask.key.step)
        nodes = self._transcripts.fresh(ask.key.tenant, Transcript(stored=ask.parent).add(turn))
        return [Text.of(node.decode()) for node in nodes]


def _charging_id() -> str:
    """Return an id under which a call is charged once.

    A local activity is run again, with its whole workflow task, after a worker died: its id stays the same.
    """
    info = activity.info()
    return info.workflow_run_id or "" if info.is_local else uuid.uuid4().hex
