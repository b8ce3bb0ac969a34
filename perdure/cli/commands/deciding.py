"""`perdure inbox --decide`: what waits is shown one step after the other, whole, and one key decides it."""

import sys
import uuid
from contextlib import suppress
from typing import Any

import typer
from rich.text import Text

from perdure.cli import steps
from perdure.cli.commands.decision import answer_of, arguments_of, taken
from perdure.cli.exits import Ended, Exit
from perdure.cli.keys import pressed, typed
from perdure.cli.output import Output
from perdure.cli.session import answered, session_of
from perdure.cli.values import name_of, pair
from perdure.client import Platform
from perdure.contracts.contract import BadInput
from perdure.contracts.tool_calls.approvals import Trust
from perdure.contracts.tool_calls.decisions import InboxEntry, PendingStep, Rejected, Ruling, StepDecision, Waiting
from perdure.errors import PlatformError

KEYS = {
    Waiting.APPROVAL: {"a": "approve", "e": "edit", "d": "deny"},
    Waiting.OUTCOME: {"h": "it happened", "n": "it did not happen", "r": "retry"},
    Waiting.ANSWER: {"a": "answer", "d": "deny"},
}
"""The keys for each question."""

ALWAYS = {"s": "skip", "q": "quit"}


def one_by_one(
    context: typer.Context, tenant: str | None, *, by: str | None, limit: int = 200, as_json: bool = False
) -> None:
    """Show all that waits, one step after the other, and decide each by a key."""
    if as_json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise BadInput("RUN: name the run whose step is decided: only in a terminal they are shown one by one")
    session, desk = session_of(context), _Desk(Output(as_json=False), name_of(by))
    session.work(lambda platform: desk.decide_all(platform, tenant, limit))


class _Quit(Exception):
    """The person has had enough."""


class _Desk:
    """One person at a terminal."""

    def __init__(self, out: Output, by: str) -> None:
        self._out = out
        self._by = by
        self._rejected = 0
        self._decided = 0

    async def decide_all(self, platform: Platform, tenant: str | None, limit: int) -> None:
        """Show what waits, one step after the other, also what comes meanwhile, until none is left or a key quits."""
        seen: set[tuple[str, str, str]] = set()
        with suppress(_Quit):
            while True:
                entries = await platform.inbox(tenant, limit=limit)
                waiting = [(entry, entry.step) for entry in entries if entry.step is not None]
                left = [
                    (entry, step)
                    for entry, step in waiting
                    if _name(entry, step) not in seen and all(voice.by != self._by for voice in step.voices)
                ]
                if not left:
                    break
                entry, step = left[0]
                seen.add(_name(entry, step))
                await self._decide(platform, entry, step, left=len(left))
        self._out.say(f"{self._decided} decided" + (f", {self._rejected} rejected" if self._rejected else ""))
        if self._rejected:
            raise Ended(Exit.REJECTED)

    async def _decide(self, platform: Platform, entry: InboxEntry, step: PendingStep, *, left: int) -> None:
        """Show a step, wait for a key, and do what it says."""
        self._out.note("", Text(f"{entry.business_id}  ({entry.agent}; {left} to decide)", style="bold"))
        self._out.note(*steps.whole(entry.business_id, step, tenant=entry.tenant)[:-1])
        keys = self._keys(step)
        while True:
            words = "  ".join(f"[{key}] {word}" for key, word in keys.items())
            key = pressed(f"{words} > ", keys)
            if key is None or key == "q":
                raise _Quit
            if key == "s":
                return
            try:
                decision = self._ruling(step, key)
            except (BadInput, PlatformError) as error:
                self._out.note(Text(f"  {error}", style="red"))
                continue
            if decision is None:
                continue
            await self._send(platform, entry, keys[key], decision)
            return

    def _keys(self, step: PendingStep) -> dict[str, str]:
        """Return the keys that can decide a step."""
        if step.trust is Trust.SIGNED:
            self._out.note(Text("  only signed decisions count: perdure approve ... --claims, then --credential"))
            return ALWAYS
        keys = KEYS[step.waiting] | ALWAYS
        if step.unseen:  # what cannot be shown is not approved by a key
            keys = {key: word for key, word in keys.items() if word not in ("approve", "edit")}
        return keys

    def _ruling(self, step: PendingStep, key: str) -> StepDecision | None:
        """Return the decision that a key stands for, with what it needs; None where the person thought again."""
        more: dict[str, Any] = {}
        match step.waiting, key:
            case Waiting.APPROVAL, "a":
                ruling = Ruling.APPROVE
            case Waiting.APPROVAL, "e":
                ruling, more["arguments"] = Ruling.APPROVE, self._edited(step)
                if more["arguments"] is None:
                    return None
            case Waiting.OUTCOME, "h":
                ruling, more["result"] = Ruling.DID_HAPPEN, typed("what did it return?")
            case Waiting.OUTCOME, "n":
                ruling = Ruling.DID_NOT_HAPPEN
            case Waiting.OUTCOME, _:
                ruling = Ruling.RETRY
            case Waiting.ANSWER, "a":
                ruling, more["answer"] = Ruling.ANSWER, answer_of(typed("answer"), step)
            case _:
                ruling, more["reason"] = Ruling.DENY, typed("why? the model is told")
        named = {"decision_id": str(uuid.uuid4()), "step": step.step, "digest": step.digest, "by": self._by}
        return StepDecision.strictly({**named, "ruling": ruling, **more})

    def _edited(self, step: PendingStep) -> dict[str, Any] | None:
        """Return the arguments as the person changes them, shown once more; None where nothing is changed after all."""
        changed = arguments_of(step)
        while line := typed("NAME=VALUE, an empty line ends"):
            name, value = pair(line, "edit")
            changed[name] = value
        if changed == arguments_of(step):
            return None
        self._out.note("  with these arguments instead:", *(f"    {line}" for line in steps.shown(changed)))
        return changed if pressed("[y] call it with these  [n] leave it > ", ("y", "n")) == "y" else None

    async def _send(self, platform: Platform, entry: InboxEntry, word: str, decision: StepDecision) -> None:
        run = entry.business_id
        try:
            reply = await answered(platform.decide(run, decision, tenant=entry.tenant), run)
        except PlatformError as error:
            self._rejected += 1
            self._out.note(Text(str(error), style="red"))
            return
        if isinstance(reply.came, Rejected):
            self._rejected += 1
            self._out.note(Text(f"run {run!r} rejected it: {reply.came.reason}", style="red"))
            return
        self._decided += 1
        self._out.say(taken(word, run, decision, reply.came))


def _name(entry: InboxEntry, step: PendingStep) -> tuple[str, str, str]:
    """Return what tells a step from any other. A call that was edited, or is asked for again, is another one."""
    return entry.tenant, entry.business_id, f"{step.digest}/{step.since.isoformat()}"
