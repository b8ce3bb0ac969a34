"""Calls a tool so that it ends as one of a closed set of outcomes, and lets nothing of it near a model unchecked."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, cast

from activities.ports import Guards, Subject, raised_at
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
"""How long a tool that is stopped may take to let go of what it holds; after that it is left to itself."""

SCREENED_FOR = (GuardSpec(guard="injection", action=GuardAction.FLAG), GuardSpec(guard="secrets_present"))
"""What every result is looked through for where nobody said: instructions to the model, and keys.

The first is only flagged: of the 62 documents of the sample handbook it takes 6 for attempts, and it finds 37 of 40
attempts that are put inside one. A tool's words about why it gave no result are looked through as well.
"""

NOBODY = ToolContext(tenant="", run="", step="", key="")
"""Who asks where nothing is called."""

Broke = Callable[[str, str, str], None]
"""Hears which tool broke, by which kind of error, and where: never by which words, which may be anybody's."""


@dataclass(frozen=True)
class _Ended:
    """How the code of a tool ended, before anything of it is shown."""

    ended: ToolEnded
    happened: Happened
    said: object
    ours: bool = False
    """Whether these are the platform's own words: no guard needs to look through them, and no fence to hold them."""


class ToolBoundary:
    """Between tools and whoever asks for them, for use from one event loop.

    A tool runs beside the caller and is stopped at its timeout; one that does not let itself be stopped is left behind.
    Code that blocks the event loop cannot be stopped by anything here: tools are async, and lint finds the usual ways.
    """

    def __init__(self, tools: Mapping[str, Tool[Any]], guards: Guards, broke: Broke | None = None) -> None:
        self._tools = tools
        self._guards = guards
        self._broke = broke
        self._left: set[asyncio.Task[_Ended]] = set()

    async def run(
        self,
        spec: ToolSpec,
        context: ToolContext,
        arguments: Mapping[str, Any] | str,
        guards: Sequence[GuardSpec] = SCREENED_FOR,
        largest: int = LARGEST,
    ) -> ToolOutcome:
        """Call a pinned tool with arguments as the model wrote them; they may still be JSON.

        Raises nothing of the tool's. `NotConfigured` for an unknown guard, and a cancellation, which stops the tool.
        """
        rejected = await self.objection(spec, arguments, guards, largest)
        if rejected is not None:
            return rejected
        ended = await self._ended(self._tools[spec.name], spec, context, read_arguments(arguments))
        return await self._shown(spec, context, ended, guards, largest)

    async def objection(
        self,
        spec: ToolSpec,
        arguments: Mapping[str, Any] | str,
        guards: Sequence[GuardSpec] = SCREENED_FOR,
        largest: int = LARGEST,
    ) -> ToolOutcome | None:
        """Why a pinned tool cannot be called with these arguments, as the outcome of the call; None where it can."""
        tool = self._tools.get(spec.name)
        if tool is None or tool.digest != spec.digest:
            gone = "it is not there any more" if tool is None else "it was changed since the run began"
            said = f"{spec.name} was not called: {gone}. Go on without it."
            return _short(spec.name, ToolEnded.TOOL_CHANGED, Happened.NO, said)
        try:
            tool.checked(read_arguments(arguments), spec.constraints)
        except BadInput as error:
            ended = _Ended(ToolEnded.REJECTED, Happened.NO, str(error))
            return await self._shown(spec, NOBODY, ended, guards, largest)
        return None

    def can_reconcile(self, spec: ToolSpec) -> bool:
        """Whether the tool can find out what became of a call. One that was changed since still may."""
        tool = self._tools.get(spec.name)
        return tool is not None and tool.reconcile is not None

    def settles_within(self, spec: ToolSpec) -> timedelta:
        """How long after an attempt was allowed to call the call may still happen, as far as its tool knows."""
        tool = self._tools.get(spec.name)
        known = None if tool is None else tool.settles_within
        return timedelta(seconds=LATE) + 2 * spec.timeout if known is None else known

    async def reconcile(self, spec: ToolSpec, context: ToolContext) -> Evidence:
        """What became of the call with the context's key, up to the context's attempt. Raises nothing of the tool's."""
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
        except Exception as error:  # noqa: BLE001 - whatever a tool's code does is an answer that is missing
            self._broken(spec, error)
            return CannotTellYet(f"its code broke ({type(error).__name__})")
        if isinstance(evidence, DidHappen | NeverWill):
            return evidence
        # The words of a tool's author: whatever else it returns is no proof of anything.
        odd = f"it answered with {type(evidence).__name__}, not with what became of the call"
        return CannotTellYet(plain_line(evidence.reason if isinstance(evidence, CannotTellYet) else odd, REASON))

    async def found(
        self,
        spec: ToolSpec,
        context: ToolContext,
        result: str,
        guards: Sequence[GuardSpec] = SCREENED_FOR,
        largest: int = LARGEST,
    ) -> ToolOutcome:
        """The outcome of a call that is known to have happened, from the result that was found out about it."""
        ended = _Ended(ToolEnded.RETURNED, _did(spec, Happened.YES), result)
        return await self._shown(spec, context, ended, guards, largest)

    async def _ended(
        self, tool: Tool[Any], spec: ToolSpec, context: ToolContext, arguments: Mapping[str, Any]
    ) -> _Ended:
        task = asyncio.create_task(self._tried(tool, spec, context, arguments), name=f"tool-{spec.name}")
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
        if task.cancelled():  # nobody here did that
            return self._broken(spec, asyncio.CancelledError())
        return task.result()

    async def _tried(
        self, tool: Tool[Any], spec: ToolSpec, context: ToolContext, arguments: Mapping[str, Any]
    ) -> _Ended:
        try:
            said = await tool.use(context, arguments, spec.constraints)
        except BadInput as error:
            # The arguments had been checked, so this is the tool's own word, and it may have come late.
            return _Ended(ToolEnded.REJECTED, _did(spec, Happened.UNKNOWN), str(error))
        except ToolError as error:
            happened = Happened.UNKNOWN if error.may_have_happened else Happened.NO
            return _Ended(ToolEnded.FAILED, _did(spec, happened), str(error))
        except (Exception, SystemExit, BaseExceptionGroup) as error:  # noqa: BLE001 - whatever a tool does is an outcome
            return self._broken(spec, error)
        return _Ended(ToolEnded.RETURNED, _did(spec, Happened.YES), said)

    async def _stop(self, task: asyncio.Task[_Ended]) -> None:
        task.cancel()
        self._left.add(task)
        task.add_done_callback(self._left.discard)
        await asyncio.wait({task}, timeout=STOPPING.total_seconds())

    def _broken(self, spec: ToolSpec, error: BaseException) -> _Ended:
        kind = type(error).__name__
        if self._broke is not None:
            self._broke(spec.name, kind, raised_at(error))
        # The error's own text may hold anything, keys and addresses among it.
        return _Ended(ToolEnded.FAILED, _did(spec, Happened.UNKNOWN), f"its code broke ({kind})", ours=True)

    async def _shown(
        self, spec: ToolSpec, context: ToolContext, ended: _Ended, guards: Sequence[GuardSpec], largest: int
    ) -> ToolOutcome:
        name, seed = spec.name, f"{context.tenant}/{context.run}/{context.step}"
        try:
            text = plain(ended.said, largest)
        except NotText as error:
            return _short(name, ToolEnded.UNUSABLE, ended.happened, f"The result of {name} cannot be shown: {error}.")
        looked_through = bool(text.text.strip()) and not ended.ours
        verdicts = await self._guards.run(guards, Subject(text=text.text)) if looked_through else ()
        blocking = [verdict for verdict in verdicts if verdict.blocks]
        if blocking:
            why = "; ".join(f"{verdict.guard}: {verdict.reason}" for verdict in blocking)
            kept = "The result of" if ended.ended is ToolEnded.RETURNED else "There is no result, and the reason of"
            shown = f"{kept} {name} is kept back. {_one_line(why)}"
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


def read_arguments(arguments: Mapping[str, Any] | str) -> Mapping[str, Any]:
    """A tool's arguments as a model wrote them. Raises `BadInput` for what is no JSON object."""
    if not isinstance(arguments, str):
        return arguments
    try:
        read: object = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        raise BadInput("arguments: they are no JSON: send an object like the schema's") from None
    if not isinstance(read, dict):
        raise BadInput("arguments: they are no JSON object: send one like the schema's")
    return cast("dict[str, Any]", read)


def unknown_tool(name: str, granted: Sequence[str]) -> ToolOutcome:
    """The outcome of a call of a tool that the agent was not granted."""
    known = ", ".join(granted) or "none"
    shown = _one_line(plain(name.replace("\0", "").encode(errors="replace").decode(), 63).text)
    said = f"There is no tool {shown!r}: the tools are {known}."
    return _short(shown, ToolEnded.UNKNOWN_TOOL, Happened.NO, said)


def _short(tool: str, ended: ToolEnded, happened: Happened, said: str) -> ToolOutcome:
    return ToolOutcome(tool=tool, ended=ended, happened=happened, result=Text.of(said))


def _did(spec: ToolSpec, happened: Happened) -> Happened:
    """What only reads changes nothing, however it ends."""
    return Happened.NO if spec.effect is ToolEffect.READ_ONLY else happened


def _one_line(text: str) -> str:
    return " ".join(text.split())
