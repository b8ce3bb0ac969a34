"""Calls an agent's tools: the intent is written before the call, the outcome after it, so that none happens twice."""

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import assert_never

from temporalio import activity

from activities import texts
from activities.call_outcomes import from_ledger, not_called, said, too_early
from activities.patience import once_it_can
from activities.pins import Pins
from activities.ports import BlobStore, Done, EffectLedger, Fresh, Guards, Subject, Superseded, Unknown, nothing_sent
from activities.tool_boundary import ToolBoundary, unknown_tool
from activities.transcripts import Transcripts
from perdure.contracts.agent import AgentSpec
from perdure.contracts.agent_steps import Act, Acted, Again, Answered, AskPerson, ScreenCall, ScreenedCall
from perdure.contracts.budget import Spend
from perdure.contracts.guards import Verdict
from perdure.contracts.ledger import Decision, Failed, Happening, IntendedCall, Source, Succeeded, Word
from perdure.contracts.steps import StepKey
from perdure.contracts.text import Text
from perdure.contracts.tool_outcome import Happened, ToolEnded, ToolOutcome
from perdure.contracts.tools import ToolEffect, ToolSpec
from perdure.contracts.transcript import Role, Transcript, Turn
from tools.base import ToolContext
from tools.errors import ToolError
from workflows.effects import ACT, SCREEN_CALL

Contexts = Callable[[StepKey, AgentSpec], ToolContext]
"""Makes the world that a call gets to see."""

CANCELLED = "the run was cancelled"


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
    ) -> None:
        self._boundary = boundary
        self._ledger = ledger
        self._guards = guards
        self._blobs = blobs
        self._pins = pins
        self._transcripts = transcripts
        self._contexts = contexts

    @SCREEN_CALL.activity
    async def screen_call(self, ask: ScreenCall) -> ScreenedCall:
        """Safe to run twice: it reads, and stores texts under their digests."""
        tenant = ask.key.tenant
        spec = await self._pins.read(tenant, ask.pinned)
        arguments = await texts.read(self._blobs, tenant, ask.arguments)
        rejected, verdicts = await self._objection(spec, ask, arguments)
        if rejected is None:
            await texts.store(self._blobs, tenant, ask.arguments)
            return ScreenedCall(arguments=Text.of(arguments).carried(), verdicts=verdicts)
        await texts.store(self._blobs, tenant, rejected.result)
        return ScreenedCall(
            arguments=ask.arguments.reference(),
            rejected=rejected.model_copy(update={"result": rejected.result.carried()}),
            problem=rejected.result.body or "",
            verdicts=verdicts,
        )

    @ACT.activity
    async def act(self, ask: Act) -> Acted:
        """Runs once for each attempt. What changes the world asks the ledger first, and may be told not to call."""
        tenant = ask.key.tenant
        with nothing_sent():
            spec = await self._pins.read(tenant, ask.pinned)
            arguments = await texts.read(self._blobs, tenant, ask.arguments)
            known = ask.attempt > 1 and await self._ledger.look(ask.key) is not None
        tool = spec.tool(ask.tool)
        if tool is None:
            return await self._answered(ask, unknown_tool(ask.tool, [granted.name for granted in spec.tools]))
        verdicts: tuple[Verdict, ...] = ()
        if tool.effect is ToolEffect.READ_ONLY or not known:
            # Of what an earlier attempt may have called, the ledger speaks: also where the tool was changed since.
            rejected, verdicts = await self._objection(spec, ask, arguments)
            if rejected is not None:
                return await self._answered(ask, rejected, verdicts)
        if ask.call_off:
            return await self._call_off(ask, tool)
        if tool.effect is ToolEffect.READ_ONLY:
            # What reads and costs nothing may be asked for again: also where its answer could not be stored.
            with nothing_sent() if tool.price == 0 else nullcontext():
                acted = await self._call(ask, spec, tool, arguments)
        else:
            acted = await self._call_once(ask, spec, tool, arguments)
        if isinstance(acted.came, AskPerson):
            # Whoever has to say what became of it has to see what it was.
            came = acted.came.model_copy(update={"arguments": Text.of(arguments).carried()})
            acted = acted.model_copy(update={"came": came})
        return acted.model_copy(update={"verdicts": (*verdicts, *acted.verdicts)})

    async def _call_once(self, ask: Act, spec: AgentSpec, tool: ToolSpec, arguments: str) -> Acted:
        """Call it if the ledger lets this attempt; otherwise say what is known of those before."""
        with nothing_sent():
            intent = await self._ledger.intend(ask.key, ask.attempt, _intended(ask, tool))
        match intent:
            case Fresh():
                return await self._call(ask, spec, tool, arguments)
            case Done(outcome):
                return await self._answered(ask, from_ledger(tool, outcome), charges=await self._charges(ask, tool))
            case Unknown(attempt, intended_at):
                return await self._find_out(ask, spec, tool, attempt, intended_at)
            case Superseded(by):
                return Acted(came=Again(reason=f"attempt {by} came first"), charges={ask.attempt: Spend()})
            case never:
                assert_never(never)

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

    async def _call(self, ask: Act, spec: AgentSpec, tool: ToolSpec, arguments: str) -> Acted:
        """Call it, now and once, and write down what came of it."""
        reads = tool.effect is ToolEffect.READ_ONLY
        charges = {ask.attempt: _price(tool)}
        context = self._contexts(ask.key, spec)
        try:
            outcome = await self._boundary.run(tool, context, arguments, spec.results, spec.result_bytes)
        except asyncio.CancelledError:
            details = activity.cancellation_details()
            if details is None or not details.cancel_requested:
                raise  # the worker stops: the workflow tries again, and the ledger knows of this attempt
            if reads:
                stopped = not_called(tool.name, ToolEnded.CALLED_OFF, CANCELLED)
                return (await self._answered(ask, stopped, charges=charges)).model_copy(update={"stopped": True})
            reason = f"{CANCELLED} while {tool.name} ran"
            failed = Failed(reason=reason, did_not_happen=False)
            await self._ledger.record(ask.key, ask.attempt, failed)
            came = AskPerson(attempt=ask.attempt, intended_at=datetime.now(UTC), reason=reason)
            return Acted(came=came, charges=charges, stopped=True)
        if reads:
            return await self._answered(ask, outcome, outcome.verdicts, charges)
        match outcome.happened:
            case Happened.YES:
                told = Succeeded(result=outcome.result)
            case Happened.NO:
                told = Failed(reason=said(outcome), did_not_happen=True)
            case Happened.UNKNOWN:
                told = Failed(reason=said(outcome), did_not_happen=False)
            case never:
                assert_never(never)
        recorded = await once_it_can(lambda: self._ledger.record(ask.key, ask.attempt, told))
        if recorded.outcome is not None:
            shown = outcome if recorded.outcome == _bare(told) else from_ledger(tool, recorded.outcome)
            return await self._answered(ask, shown, outcome.verdicts, charges)
        if outcome.happened is Happened.NO:
            # An earlier attempt may have called all the same.
            return Acted(came=Again(reason=said(outcome)), charges=charges)
        return Acted(came=self._in_doubt(ask, tool, ask.attempt, said(outcome)), charges=charges)

    def _in_doubt(self, ask: Act, tool: ToolSpec, attempt: int, reason: str) -> Again | AskPerson:
        """Who can tell what became of a call: another attempt, or only a person."""
        if tool.effect is ToolEffect.IDEMPOTENT or self._boundary.can_reconcile(tool):
            return Again(reason=reason)
        return AskPerson(attempt=attempt, intended_at=datetime.now(UTC), reason=reason)

    async def _find_out(self, ask: Act, spec: AgentSpec, tool: ToolSpec, attempt: int, intended_at: datetime) -> Acted:
        """An earlier attempt was allowed to call and has told nothing: ask the tool's own `reconcile`, or a person."""
        charges = {ask.attempt: Spend()}
        reason = f"attempt {attempt} was allowed to call and told nothing"
        if not self._boundary.can_reconcile(tool):
            return Acted(came=AskPerson(attempt=attempt, intended_at=intended_at, reason=reason), charges=charges)
        # Until its time is over that attempt may still be calling, and "not yet" would not mean "never".
        rest = (intended_at + tool.timeout - datetime.now(UTC)).total_seconds()
        await asyncio.sleep(max(0.0, rest))
        try:
            found = await self._boundary.reconcile(tool, self._contexts(ask.key, spec))
        except ToolError as error:
            return Acted(came=Again(reason=f"{reason}, and asking what became of it failed: {error}"), charges=charges)
        outcome = None
        if found is not None:
            context = self._contexts(ask.key, spec)
            outcome = await self._boundary.found(tool, context, found, spec.results, spec.result_bytes)
        word = Word.DID_NOT_HAPPEN if outcome is None else Word.DID_HAPPEN
        await self._ledger.decide(
            ask.key,
            Decision(
                decision_id=f"reconcile-{ask.attempt}",
                attempt=attempt,
                word=word,
                source=Source.RECONCILE,
                by=tool.name,
                result=None if outcome is None else outcome.result,
            ),
        )
        record = await self._ledger.look(ask.key)
        if record is not None and record.outcome is not None:
            charges = await self._charges(ask, tool)
            shown = outcome if outcome is not None else from_ledger(tool, record.outcome)
            return await self._answered(ask, shown, shown.verdicts, charges)
        return Acted(came=Again(reason=f"{reason}, and it did not happen"), charges=charges)

    async def _call_off(self, ask: Act, tool: ToolSpec) -> Acted:
        """Let no attempt begin any more, and say what became of those that began."""
        called_off = not_called(tool.name, ToolEnded.CALLED_OFF, CANCELLED)
        if tool.effect is ToolEffect.READ_ONLY:
            return await self._answered(ask, called_off)
        with nothing_sent():
            intent = await self._ledger.intend(ask.key, ask.attempt, _intended(ask, tool))
        match intent:
            case Fresh(again):
                await self._ledger.record(ask.key, ask.attempt, Failed(reason=CANCELLED, did_not_happen=True))
                happened = Happened.UNKNOWN if again else Happened.NO
                charges = {} if again else await self._charges(ask, tool)
                outcome = called_off.model_copy(update={"happened": happened})
                return await self._answered(ask, outcome, charges={**charges, ask.attempt: Spend()})
            case Done(outcome):
                return await self._answered(ask, from_ledger(tool, outcome), charges=await self._charges(ask, tool))
            case Unknown(attempt, intended_at):
                reason = f"{CANCELLED}, and attempt {attempt} told nothing"
                return Acted(came=AskPerson(attempt=attempt, intended_at=intended_at, reason=reason))
            case Superseded(by):
                reason = f"attempt {by} came first"
                return Acted(came=AskPerson(attempt=by, intended_at=datetime.now(UTC), reason=reason))
            case never:
                assert_never(never)

    async def _charges(self, ask: Act, tool: ToolSpec) -> dict[int, Spend]:
        """What every attempt so far has cost: those that were allowed to call their price, the others nothing."""
        record = await self._ledger.look(ask.key)
        events = () if record is None else record.events
        called = {event.attempt for event in events if event.happening is Happening.INTENDED}
        return {n: _price(tool) if n in called else Spend() for n in range(1, ask.attempt + 1)}

    async def _answered(
        self,
        ask: Act,
        outcome: ToolOutcome,
        verdicts: tuple[Verdict, ...] = (),
        charges: dict[int, Spend] | None = None,
    ) -> Acted:
        """With the words that the model is shown in the store, and the attempt settled."""
        await texts.store(self._blobs, ask.key.tenant, outcome.result, *self._place(ask, outcome))
        carried = outcome.model_copy(update={"result": outcome.result.carried(), "verdicts": ()})
        settled = charges if charges is not None else {ask.attempt: Spend(tool_calls=1)}
        kept = ask.parent is not None
        return Acted(came=Answered(outcome=carried), verdicts=verdicts, charges=settled, kept=kept)

    def _place(self, ask: Act, outcome: ToolOutcome) -> list[Text]:
        """The answer's turn, to be stored along with its words; nothing where it is not known what it comes after."""
        if ask.parent is None:
            return []
        turn = Turn(role=Role.TOOL, body=outcome.result, call=ask.key.step)
        nodes = self._transcripts.fresh(ask.key.tenant, Transcript(stored=ask.parent).add(turn))
        return [Text.of(node.decode()) for node in nodes]


def _intended(ask: Act, tool: ToolSpec) -> IntendedCall:
    return IntendedCall(
        tool=tool.name,
        tool_digest=tool.digest,
        arguments_digest=ask.arguments.digest,
        repeatable=tool.effect is ToolEffect.IDEMPOTENT,
    )


def _price(tool: ToolSpec) -> Spend:
    return Spend(tool_calls=1, micro_dollars=tool.price)


def _bare(told: Succeeded | Failed) -> Succeeded | Failed:
    """As the ledger reads it back: without a body."""
    return told if isinstance(told, Failed) else told.model_copy(update={"result": told.result.reference()})
