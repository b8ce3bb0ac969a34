"""Calls an agent's tools: the intent is written before the call, the outcome after it, so that none happens twice."""

import asyncio
import uuid
from contextlib import nullcontext

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
from activities.tool_calls.outcomes import not_called, reason_of, too_early
from activities.waiting import elapsed
from perdure.contracts.agents.agent import AgentSpec
from perdure.contracts.agents.steps import Act, Acted, AskPerson, CallAnswered, ScreenCall, ScreenedCall
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
        """Safe to run twice: it reads, and stores texts under their digests, and once that people are asked."""
        tenant = ask.key.tenant
        with nothing_sent():
            run = await self._rights.of(ask.key, ask.pinned.digest)
            spec = await self._pins.read(tenant, ask.pinned)
            arguments = await texts.read(self._blobs, tenant, ask.arguments)
            rejected, verdicts = await self._objection(spec, ask, arguments)
            await texts.store(self._blobs, tenant, ask.arguments if rejected is None else rejected.result)
            if rejected is None:
                await self._proof.asked(run, spec, ask)
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
        """Runs once for each attempt. What changes the world asks the ledger first, and may be told not to call."""
        until = elapsed.elapsed() + elapsed.seconds_left()
        with nothing_sent():
            run = await self._rights.of(ask.key, ask.pinned.digest)
            spec = await self._pins.read(ask.key.tenant, ask.pinned)
            unproven = await self._proof.objection(run, spec, ask)
        tool = spec.tool(ask.tool)
        if tool is None:
            return await self._answered(ask, Attempted(unknown_tool(ask.tool, [one.name for one in spec.tools])))
        if ask.call_off:
            return await self._answered(ask, await self._called_off(ask, tool))
        if unproven is not None:
            return await not_proven(self._blobs, ask, unproven)
        with nothing_sent():
            arguments = await texts.read(self._blobs, ask.key.tenant, ask.arguments)
            objection, verdicts = await self._objection(spec, ask, arguments)
        call = Call(ask, spec, tool, arguments, self._contexts, until)
        reads = tool.effect is ToolEffect.READ_ONLY
        # What only reads is done again for nothing where it is free; of what has a price, another call is another bill.
        with nothing_sent() if reads and not tool.price else nullcontext():
            attempted = await (self._read(call, objection) if reads else self._calling.attempt(call, objection))
            return await self._answered(ask, attempted, verdicts, arguments)

    async def _objection(
        self, spec: AgentSpec, ask: Act | ScreenCall, arguments: str
    ) -> tuple[ToolOutcome | None, tuple[Verdict, ...]]:
        """Why a call cannot be made, as its outcome; None where it can."""
        tool = spec.tool(ask.tool)
        if tool is None:
            return unknown_tool(ask.tool, [granted.name for granted in spec.tools]), ()
        if ask.missing:
            return too_early(tool.name, ask.missing), ()
        rejected = await self._boundary.objection(tool, arguments, spec.results, spec.result_bytes)
        if rejected is not None or not spec.arguments:
            return rejected, ()
        verdicts = await self._guards.run(spec.arguments, Subject(text=arguments))
        blocking = "; ".join(verdict.reason for verdict in verdicts if verdict.blocks)
        if blocking:
            return not_called(tool.name, ToolEnded.REJECTED, f"its arguments are kept back: {blocking}"), verdicts
        return None, verdicts

    async def _called_off(self, ask: Act, tool: ToolSpec) -> Attempted:
        if tool.effect is ToolEffect.READ_ONLY:
            return Attempted(not_called(tool.name, ToolEnded.CALLED_OFF, CANCELLED))
        return await self._calling.call_off(ask, tool)

    async def _read(self, call: Call, objection: ToolOutcome | None) -> Attempted:
        """Call what changes nothing: nobody need be asked, and nothing written down."""
        if objection is not None:
            return Attempted(objection)
        spec, charges = call.spec, {call.attempt: call.price}
        context = call.context(call.attempt)
        with nothing_sent():
            await self._accounts.charge_call(call.key, call.attempt, _asking(), call.price)
        try:
            outcome = await self._boundary.run(call.tool, context, call.arguments, spec.results, spec.result_bytes)
        except asyncio.CancelledError:
            if not cancelled_on_purpose():
                raise  # the worker stops: the workflow tries again
            return Attempted(not_called(call.tool.name, ToolEnded.CALLED_OFF, CANCELLED), charges, stopped=True)
        return Attempted(outcome, charges, outcome.verdicts)

    async def _answered(
        self, ask: Act, attempted: Attempted, verdicts: tuple[Verdict, ...] = (), arguments: str | None = None
    ) -> Acted:
        """As the run hears it: with the words that the model is shown in the store, and the attempt settled."""
        came, kept = attempted.came, False
        charges = {ask.attempt: Spend(tool_calls=1)} if attempted.charges is None else attempted.charges
        if isinstance(came, ToolOutcome):
            with nothing_sent() if attempted.charges is None else nullcontext():
                await texts.store(self._blobs, ask.key.tenant, came.result, *self._place(ask, came))
            came = CallAnswered(outcome=came.model_copy(update={"result": came.result.carried(), "verdicts": ()}))
            kept = ask.parent is not None
        elif isinstance(came, AskPerson) and arguments is not None:
            # Whoever has to say what became of it has to see what it was.
            came = came.model_copy(update={"arguments": Text.of(arguments).carried()})
        verdicts = (*verdicts, *attempted.verdicts)
        return Acted(came=came, verdicts=verdicts, charges=charges, stopped=attempted.stopped, kept=kept)

    def _place(self, ask: Act, outcome: ToolOutcome) -> list[Text]:
        """The answer's turn, to be stored along with its words; nothing where it is not known what it comes after."""
        if ask.parent is None:
            return []
        turn = Turn(role=Role.TOOL, body=outcome.result, call=ask.key.step)
        nodes = self._transcripts.fresh(ask.key.tenant, Transcript(stored=ask.parent).add(turn))
        return [Text.of(node.decode()) for node in nodes]


def _asking() -> str:
    """The name of one asking. Within a workflow's own task, one that is done again after a death is the same."""
    info = activity.info()
    return info.workflow_run_id or "" if info.is_local else uuid.uuid4().hex
