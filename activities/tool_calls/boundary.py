"""Calls a tool so that it ends in one of a closed set of outcomes, and checks its result before a model reads it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, cast

from activities.ports import Guards, Subject, raised_at
from activities.text import tool_arguments
from activities.tool_calls.outcomes import REASON
from activities.tool_calls.results import LARGEST, NotText, plain, plain_line
from activities.waiting.elapsed import LATE
from agents.fence import fenced, within
from perdure.contracts.contract import BadInput
from perdure.contracts.guards import GuardAction, GuardSpec
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.outcome import Happened, ToolEnded, ToolOutcome
from perdure.contracts.tool_calls.tools import ToolEffect, ToolSpec
from tools.base import Tool, ToolContext
from tools.errors import ToolError
from tools.evidence import CannotTellYet, DidHappen, Evidence, NeverWill

STOPPING = timedelta(seconds=1)
"""The time that a stopped tool has to clean up; after that it is left running."""

SCREENED_FOR = (GuardSpec(guard="injection", action=GuardAction.FLAG), GuardSpec(guard="secrets_present"))
"""The default guards over every result: one finds instructions to the model, one finds keys.

An injection is only flagged: the guard finds few of the attempts that stand inside a document, and takes some honest
texts for one (its model card has the figures). A tool's reason for giving no result passes the same guards.
"""

NOBODY = ToolContext(tenant="", run="", step="", key="")
"""The context of an objection: no tool is called, so no run is named."""

ReportBroken = Callable[[str, str, str], None]
"""Reports a broken tool: its name, the kind of error and the line. Never the error's text, which may hold anything."""


@dataclass(frozen=True)
class _Ended:
    """The end of a tool's code, before anything of it is shown."""

    ended: ToolEnded
    happened: Happened
    result: object
    """What the tool returned, or the reason why it returned nothing."""
    ours: bool = False
    """Whether the platform wrote the reason: it needs neither a guard nor a fence."""


class ToolBoundary:
    """Calls tools for one event loop.

    A tool runs in a task of its own and is stopped at its timeout; one that cannot be stopped is left running.
    Code that blocks the event loop cannot be stopped here: tools are async, and lint finds the usual ways to block.
    """

    def __init__(self, tools: Mapping[str, Tool[Any]], guards: Guards, broken: ReportBroken | None = None) -> None:
        self._tools = tools
        self._guards = guards
        self._report = broken
        self._left: set[asyncio.Task[_Ended]] = set()

    async def run(
        self,
        spec: ToolSpec,
        context: ToolContext,
        arguments: Mapping[str, Any] | str,
        guards: Sequence[GuardSpec] = SCREENED_FOR,
        largest: int = LARGEST,
    ) -> ToolOutcome:
        """Call a pinned tool with the arguments that the model wrote, as JSON or already read.

        No error of the tool is raised. Raises `NotConfigured` for an unknown guard, and a cancellation, which stops
        the tool.
        """
        rejected = await self.objection(spec, arguments, guards, largest)
        if rejected is not None:
            return rejected
        ended = await self._run_until_timeout(self._tools[spec.name], spec, context, tool_arguments.read(arguments))
        return await self._shown(spec, context, ended, guards, largest)

    async def objection(
        self,
        spec: ToolSpec,
        arguments: Mapping[str, Any] | str,
        guards: Sequence[GuardSpec] = SCREENED_FOR,
        largest: int = LARGEST,
    ) -> ToolOutcome | None:
        """Return the outcome of a call that cannot be made with these arguments; None if it can be made."""
        tool = self._tools.get(spec.name)
        if tool is None or tool.digest != spec.digest:
            gone = "it is not there any more" if tool is None else "it was changed since the run began"
            reason = f"{spec.name} was not called: {gone}. Go on without it."
            return _short(spec.name, ToolEnded.TOOL_CHANGED, Happened.NO, reason)
        try:
            tool.checked(tool_arguments.read(arguments), spec.constraints)
        except BadInput as error:
            ended = _Ended(ToolEnded.REJECTED, Happened.NO, str(error))
            return await self._shown(spec, NOBODY, ended, guards, largest)
        return None

    def can_reconcile(self, spec: ToolSpec) -> bool:
        """Return whether the tool can find out what became of a call, even if it was changed since."""
        tool = self._tools.get(spec.name)
        return tool is not None and tool.reconcile is not None

    def settles_within(self, spec: ToolSpec) -> timedelta:
        """Return how long a call may still happen after its attempt was allowed, as its tool says or by its timeout."""
        tool = self._tools.get(spec.name)
        declared = None if tool is None else tool.settles_within
        return timedelta(seconds=LATE) + 2 * spec.timeout if declared is None else declared

    async def reconcile(self, spec: ToolSpec, context: ToolContext) -> Evidence:
        """Ask the tool what became of a call, by the context's key and up to its attempt. Raises none of its errors."""
        tool = self._tools.get(spec.name)
        if tool is None or tool.reconcile is None:
            return CannotTellYet(f"{spec.name} has no way to find out")
        try:
            async with asyncio.timeout(spec.timeout.total_seconds()):
                evidence = cast("object", await tool.reconcile(replace(context, constraints=spec.constraints)))
        except ToolError as error:
            return CannotTellYet(plain_line(str(error), REASON))
        except TimeoutError:
            return CannotTellYet(f"it did not say so within {spec.timeout.total_seconds():g} s")
        except Exception as error:  # noqa: BLE001 - any error of a tool means that there is no evidence
            self._broken(spec, error)
            return CannotTellYet(f"its code broke ({type(error).__name__})")
        if isinstance(evidence, DidHappen | NeverWill):
            return evidence
        # Any other value proves nothing, and its text comes from the tool's author.
        odd = f"it answered with {type(evidence).__name__}, not with what became of the call"
        return CannotTellYet(plain_line(evidence.reason if isinstance(evidence, CannotTellYet) else odd, REASON))

    async def outcome_of_result(
        self,
        spec: ToolSpec,
        context: ToolContext,
        result: str,
        guards: Sequence[GuardSpec] = SCREENED_FOR,
        largest: int = LARGEST,
    ) -> ToolOutcome:
        """Return the outcome of a call that is known to have happened, with the result that was found out later."""
        ended = _Ended(ToolEnded.RETURNED, _did(spec, Happened.YES), result)
        return await self._shown(spec, context, ended, guards, largest)

    async def _run_until_timeout(
        self, tool: Tool[Any], spec: ToolSpec, context: ToolContext, arguments: Mapping[str, Any]
    ) -> _Ended:
        task = asyncio.create_task(self._use(tool, spec, context, arguments), name=f"tool-{spec.name}")
        try:
            await asyncio.wait({task}, timeout=spec.timeout.total_seconds())
        except asyncio.CancelledError:
            await self._stop(task)
            raise
        if not task.done():
            await self._stop(task)
            limit = f"{spec.timeout.total_seconds():g} s"
            return _Ended(
                ToolEnded.TIMED_OUT, _did(spec, Happened.UNKNOWN), f"it did not end within {limit}", ours=True
            )
        if task.cancelled():  # by the tool itself
            return self._broken(spec, asyncio.CancelledError())
        return task.result()

    async def _use(self, tool: Tool[Any], spec: ToolSpec, context: ToolContext, arguments: Mapping[str, Any]) -> _Ended:
        try:
            result = await tool.use(context, arguments, spec.constraints)
        except BadInput as error:
            # The arguments were checked before, so the tool itself raised this, perhaps after it had called.
            return _Ended(ToolEnded.REJECTED, _did(spec, Happened.UNKNOWN), str(error))
        except ToolError as error:
            happened = Happened.UNKNOWN if error.may_have_happened else Happened.NO
            return _Ended(ToolEnded.FAILED, _did(spec, happened), str(error))
        except (Exception, SystemExit, BaseExceptionGroup) as error:  # noqa: BLE001 - any error of a tool is an outcome
            return self._broken(spec, error)
        return _Ended(ToolEnded.RETURNED, _did(spec, Happened.YES), result)

    async def _stop(self, task: asyncio.Task[_Ended]) -> None:
        """Cancel a tool's task, and keep a reference to one that does not stop in time."""
        task.cancel()
        self._left.add(task)
        task.add_done_callback(self._left.discard)
        await asyncio.wait({task}, timeout=STOPPING.total_seconds())

    def _broken(self, spec: ToolSpec, error: BaseException) -> _Ended:
        """Report a tool that raised an error it may not raise, and return that as its end."""
        kind = type(error).__name__
        if self._report is not None:
            self._report(spec.name, kind, raised_at(error))
        # The error's own text may hold anything, keys and addresses among it.
        return _Ended(ToolEnded.FAILED, _did(spec, Happened.UNKNOWN), f"its code broke ({kind})", ours=True)

    async def _shown(
        self, spec: ToolSpec, context: ToolContext, ended: _Ended, guards: Sequence[GuardSpec], largest: int
    ) -> ToolOutcome:
        """Return the outcome as a model may read it: plain, cut, checked by the guards and inside a fence."""
        name, seed = spec.name, f"{context.tenant}/{context.run}/{context.step}"
        try:
            text = plain(ended.result, largest)
        except NotText as error:
            return _short(name, ToolEnded.UNUSABLE, ended.happened, f"The result of {name} cannot be shown: {error}.")
        guarded = bool(text.text.strip()) and not ended.ours
        verdicts = await self._guards.run(guards, Subject(text=text.text, tenant=context.tenant)) if guarded else ()
        blocking = [verdict for verdict in verdicts if verdict.blocks]
        if blocking:
            why = "; ".join(f"{verdict.guard}: {verdict.reason}" for verdict in blocking)
            subject = "The result of" if ended.ended is ToolEnded.RETURNED else "There is no result, and the reason of"
            shown = f"{subject} {name} is kept back. {_one_line(why)}"
        elif ended.ended is ToolEnded.RETURNED:
            notes = [f"[{text.cut:,} of {text.size:,} bytes are cut off]"] if text.cut else []
            notes += [f"[{one.guard}: {_one_line(one.reason)}]" for one in verdicts if not one.passed]
            shown = fenced(name, text.text, tuple(notes), seed=seed)
        elif ended.ours:
            shown = f"{name} gave no result: {text.text}"
        else:
            reason = plain_line(text.text, REASON)
            shown = within(f"{name} gave no result. What it said about that", reason, seed=seed)
        returned = ended.ended is ToolEnded.RETURNED
        return ToolOutcome(
            tool=name,
            ended=ToolEnded.BLOCKED if blocking and returned else ended.ended,
            happened=ended.happened,
            result=Text.of(shown),
            verdicts=verdicts,
            size=text.size if returned else 0,
            cut=text.cut if returned else 0,
        )


def unknown_tool(name: str, granted: Sequence[str]) -> ToolOutcome:
    """Return the outcome of a call to a tool that the agent was not granted."""
    known = ", ".join(granted) or "none"
    shown = _one_line(plain(name.replace("\0", "").encode(errors="replace").decode(), 63).text)
    reason = f"There is no tool {shown!r}: the tools are {known}."
    return _short(shown, ToolEnded.UNKNOWN_TOOL, Happened.NO, reason)


def _short(tool: str, ended: ToolEnded, happened: Happened, reason: str) -> ToolOutcome:
    return ToolOutcome(tool=tool, ended=ended, happened=happened, result=Text.of(reason))


def _did(spec: ToolSpec, happened: Happened) -> Happened:
    """Return whether the world was changed: never by a tool that only reads, however it ends."""
    return Happened.NO if spec.effect is ToolEffect.READ_ONLY else happened


def _one_line(text: str) -> str:
    return " ".join(text.split())
