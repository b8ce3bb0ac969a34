"""One decision on its way from what was typed to its run: the step is looked at, shown, confirmed, and bound."""

import base64
import json
import sys
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import typer

from perdure.cli import render
from perdure.cli.commands.runs import name_of
from perdure.cli.exits import Ended, Exit
from perdure.cli.output import Output
from perdure.cli.session import answered, session_of
from perdure.cli.values import from_file, json_object, pair
from perdure.client import Platform
from perdure.contracts.contract import BadInput
from perdure.contracts.tool_calls.credentials import claims_of
from perdure.contracts.tool_calls.decisions import RULINGS, PendingStep, Rejected, Ruling, StepDecision, Waiting
from perdure.errors import PlatformError
from perdure.runs import workflow_id

VERBS = {
    Waiting.APPROVAL: "an approval: use perdure approve, edit or deny",
    Waiting.OUTCOME: "what became of it: use perdure answer with --did-happen, --did-not-happen or --retry",
    Waiting.ANSWER: "an answer: use perdure answer with its words, or deny",
}


class Decision:
    """One decision as it was typed, on its way to its run."""

    def __init__(self, context: typer.Context, run: str, step: str | None, **typed: Any) -> None:
        self.session = session_of(context)
        self.run = run
        self.step = step
        self.tenant: str = typed["tenant"]
        self.digest: str | None = typed["digest"]
        self.yes: bool = typed["yes"]
        self.out = Output(as_json=typed["as_json"])
        self.claims: bool = typed["claims"]
        self.unseen = False
        """Whether it may be about arguments that nobody was shown."""
        self.said: dict[str, Any] = {"reason": typed["reason"]}
        signed: dict[str, Any] = {}
        if typed["credential"] is not None:
            self.said["credential"] = from_file(typed["credential"], "--credential").strip()
            signed = claims_in(self.said["credential"])
            # What is signed is what was seen: another digest by now is another step.
            self.step, self.digest = self.step or signed.get("step"), self.digest or signed.get("digest")
        self.said["by"] = name_of(typed["by"] or signed.get("sub"))
        self.said["decision_id"] = typed["decision_id"] or signed.get("jti") or str(uuid.uuid4())

    def send(self, verb: str, say: Callable[[PendingStep | None], dict[str, Any]]) -> None:
        """Look at the step, show it, ask where somebody can be asked, and say it to the run."""
        self.session.work(lambda platform: self._send(platform, verb, say))

    async def _send(self, platform: Platform, verb: str, say: Callable[[PendingStep | None], dict[str, Any]]) -> None:
        seen = await self._seen(platform)
        step, digest = self.step or (seen.step if seen else ""), self.digest or (seen.digest if seen else "")
        said = say(seen)
        if seen is not None and said["ruling"] is Ruling.APPROVE and said.get("arguments") is None:
            self.require_seen(seen)
        decision = StepDecision.strictly({**self.said, **said, "step": step, "digest": digest})
        if self.claims:
            self.out.json(claims_of(decision, workflow_id(self.tenant, self.run), now=datetime.now(UTC)))
            return
        self._confirm(verb, seen, step, said)
        reply = await answered(platform.decide(self.run, decision, tenant=self.tenant), self.run)
        if self.out.as_json:
            self.out.json({"run": self.run, "tenant": self.tenant, "step": step, **reply.model_dump(mode="json")})
        if isinstance(reply.came, Rejected):
            raise Ended(Exit.REJECTED, "" if self.out.as_json else f"run {self.run!r} rejected it: {reply.came.reason}")
        unverified = "" if reply.came.verified else ", unverified"
        missing = f"; {reply.came.missing} more have to agree" if reply.came.missing else ""
        self.out.say(f"{verb}: {step} of {self.run}, by {self.said['by']}{unverified}{missing}")

    async def _seen(self, platform: Platform) -> PendingStep | None:
        """The step as it waits now; None where it does not, but the digest binds the decision all the same."""
        steps = await answered(platform.pending(self.run, tenant=self.tenant), self.run)
        chosen = [step for step in steps if self.step is None or step.step == self.step]
        match chosen:
            case [one]:
                return one
            case [] if self.digest is not None and self.step is not None:
                return None  # the run says why not, and keeps that it was said
            case []:
                waits = ", ".join(step.step for step in steps) or "nothing"
                named = f"the step {self.step!r} of run {self.run!r}" if self.step else f"nothing in run {self.run!r}"
                does = "does not wait" if self.step else "waits"
                raise Ended(Exit.REJECTED, f"{named} {does} for a person: what waits is {waits}")
            case several:
                names = ", ".join(step.step for step in several)
                raise BadInput(f"STEP: several wait in run {self.run!r}: name one of {names}")

    def require_seen(self, step: PendingStep) -> None:
        """Nobody says yes to what they were not shown, unless they say that too."""
        if step.unseen and not self.unseen:
            raise BadInput(
                f"{step.step}: its arguments are {step.unseen:,} bytes, of which nothing is shown here: read the text "
                f"{step.arguments.digest} in the platform's database and approve it with --unseen, or deny it"
            )

    def _confirm(self, verb: str, seen: PendingStep | None, step: str, said: dict[str, Any]) -> None:
        if seen is not None:
            self.out.note(*render.waiting(self.run, seen, tenant=self.tenant)[:-1])
        if said.get("arguments") is not None:
            self.out.note("  with these arguments instead:", *render.shown(said["arguments"]))
        if self.yes:
            return
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise BadInput(f"nobody can be asked here whether to {verb} {step}: look at it, and say it with --yes")
        if not typer.confirm(f"{verb} {step} as {self.said['by']}?", err=True):
            raise Ended(Exit.REJECTED, "nothing was said to the run")


def fitting(ruling: Ruling, seen: PendingStep | None) -> Ruling:
    """The ruling, where it says something to what is asked."""
    if seen is not None and ruling not in RULINGS[seen.waiting]:
        raise BadInput(f"STEP: {seen.step} waits for {VERBS[seen.waiting]}")
    return ruling


def answer_of(typed: str, seen: PendingStep | None) -> Any:
    """An answer in the form that was asked for: the run says what is wrong with one that is not."""
    asked: dict[str, Any] = arguments_of(seen) if seen is not None else {}
    if asked.get("choices"):
        return typed
    match asked.get("answer"):
        case "yes_no":
            return {"yes": True, "true": True, "no": False, "false": False}.get(typed.strip().lower(), typed)
        case "number":
            return pair(f"answer={typed}", "ANSWER")[1]
        case _:
            return typed


def claims_in(credential: str) -> dict[str, Any]:
    """What a signed credential says. Nobody has verified it here: it only saves typing, and the run verifies it."""
    try:
        _, payload, _ = credential.split(".")
        said: Any = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, RecursionError):
        raise BadInput("--credential: the file holds no signed JWT: give what the identity service signed") from None
    if not isinstance(said, dict):
        return {}
    return {name: value for name, value in cast("dict[str, Any]", said).items() if isinstance(value, str)}


def arguments_of(seen: PendingStep | None) -> dict[str, Any]:
    """The arguments as they are now. Raises `PlatformError` where they cannot be seen."""
    body = None if seen is None else seen.arguments.body
    if body is None:
        raise PlatformError("the arguments as they are now cannot be seen: say all of them with --arguments")
    return json_object(body, "the arguments as they are now")
