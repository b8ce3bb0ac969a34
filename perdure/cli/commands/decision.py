"""One decision from the command line to its run: look the step up, show it, confirm, and send the decision."""

import base64
import json
import sys
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import typer

from perdure.cli import render
from perdure.cli.exits import Ended, Exit
from perdure.cli.output import Output
from perdure.cli.session import answered, session_of
from perdure.cli.values import from_file, json_object, name_of, pair
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
"""The commands for each question."""


class Decision:
    """A decision as it was typed."""

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
        """Whether it may be about arguments that are too large to be shown."""
        self.fields: dict[str, Any] = {"reason": typed["reason"]}
        signed: dict[str, Any] = {}
        if typed["credential"] is not None:
            self.fields["credential"] = from_file(typed["credential"], "--credential").strip()
            signed = claims_in(self.fields["credential"])
            # The signed digest is the one that was seen: with another digest the step has changed.
            self.step = signed.get("step") if self.step is None else self.step
            self.digest = signed.get("digest") if self.digest is None else self.digest
        self.fields["by"] = name_of(signed.get("sub") if typed["by"] is None else typed["by"])
        own_id: str | None = typed["decision_id"]
        self.fields["decision_id"] = signed.get("jti", str(uuid.uuid4())) if own_id is None else own_id

    def send(self, verb: str, rule: Callable[[PendingStep | None], dict[str, Any]]) -> None:
        """Look the step up, show it, ask for confirmation in a terminal, and send the decision to the run."""
        self.session.work(lambda platform: self._send(platform, verb, rule))

    async def _send(self, platform: Platform, verb: str, rule: Callable[[PendingStep | None], dict[str, Any]]) -> None:
        pending = await self._pending(platform)
        step = self.step if self.step is not None else pending.step if pending is not None else ""
        digest = self.digest if self.digest is not None else pending.digest if pending is not None else ""
        ruling = rule(pending)
        if pending is not None and ruling["ruling"] is Ruling.APPROVE and ruling.get("arguments") is None:
            self.require_seen(pending)
        decision = StepDecision.strictly({**self.fields, **ruling, "step": step, "digest": digest})
        if self.claims:
            self.out.json(claims_of(decision, workflow_id(self.tenant, self.run), now=datetime.now(UTC)))
            return
        self._confirm(verb, pending, step, ruling)
        reply = await answered(platform.decide(self.run, decision, tenant=self.tenant), self.run)
        if self.out.as_json:
            self.out.json({"run": self.run, "tenant": self.tenant, "step": step, **reply.model_dump(mode="json")})
        if isinstance(reply.came, Rejected):
            raise Ended(Exit.REJECTED, "" if self.out.as_json else f"run {self.run!r} rejected it: {reply.came.reason}")
        unverified = "" if reply.came.verified else ", unverified"
        missing = f"; {reply.came.missing} more have to agree" if reply.came.missing else ""
        self.out.say(f"{verb}: {step} of {self.run}, by {self.fields['by']}{unverified}{missing}")

    async def _pending(self, platform: Platform) -> PendingStep | None:
        """Return the step that waits; None where it does not, but a digest was given: the run then decides."""
        steps = await answered(platform.pending(self.run, tenant=self.tenant), self.run)
        chosen = [step for step in steps if self.step is None or step.step == self.step]
        match chosen:
            case [step]:
                return step
            case [] if self.digest is not None and self.step is not None:
                return None  # the run rejects the decision with the reason, and records it
            case []:
                waits = ", ".join(step.step for step in steps) or "nothing"
                named = f"the step {self.step!r} of run {self.run!r}" if self.step else f"nothing in run {self.run!r}"
                does = "does not wait" if self.step else "waits"
                raise Ended(Exit.REJECTED, f"{named} {does} for a person: what waits is {waits}")
            case several:
                names = ", ".join(step.step for step in several)
                raise BadInput(f"STEP: several wait in run {self.run!r}: name one of {names}")

    def require_seen(self, step: PendingStep) -> None:
        """Raise `BadInput` for an approval of arguments that cannot be shown, unless `unseen` allows it."""
        if step.unseen and not self.unseen:
            raise BadInput(
                f"{step.step}: its arguments are {step.unseen:,} bytes, of which nothing is shown here: read the text "
                f"{step.arguments.digest} in the platform's database and approve it with --unseen, or deny it"
            )

    def _confirm(self, verb: str, pending: PendingStep | None, step: str, ruling: dict[str, Any]) -> None:
        if pending is not None:
            self.out.note(*render.waiting(self.run, pending, tenant=self.tenant)[:-1])
        if ruling.get("arguments") is not None:
            self.out.note("  with these arguments instead:", *render.shown(ruling["arguments"]))
        if self.yes:
            return
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise BadInput(f"nobody can be asked here whether to {verb} {step}: look at it, and say it with --yes")
        if not typer.confirm(f"{verb} {step} as {self.fields['by']}?", err=True):
            raise Ended(Exit.REJECTED, "no decision was sent to the run")


def fitting(ruling: Ruling, pending: PendingStep | None) -> Ruling:
    """Return the ruling if it fits the question of the pending step. Raises `BadInput` where it does not."""
    if pending is not None and ruling not in RULINGS[pending.waiting]:
        raise BadInput(f"STEP: {pending.step} waits for {VERBS[pending.waiting]}")
    return ruling


def answer_of(typed: str, pending: PendingStep | None) -> Any:
    """Return an answer in the form that the question asks for. The run rejects one in another form."""
    question: dict[str, Any] = arguments_of(pending) if pending is not None else {}
    if question.get("choices"):
        return typed
    match question.get("answer"):
        case "yes_no":
            return {"yes": True, "true": True, "no": False, "false": False}.get(typed.strip().lower(), typed)
        case "number":
            return pair(f"answer={typed}", "ANSWER")[1]
        case _:
            return typed


def claims_in(credential: str) -> dict[str, Any]:
    """Return the claims of a signed credential, unverified: they only save typing, and the run verifies it."""
    try:
        _, payload, _ = credential.split(".")
        claims: Any = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, RecursionError):
        raise BadInput("--credential: the file holds no signed JWT: give what the identity service signed") from None
    if not isinstance(claims, dict):
        return {}
    return {name: value for name, value in cast("dict[str, Any]", claims).items() if isinstance(value, str)}


def arguments_of(pending: PendingStep | None) -> dict[str, Any]:
    """Return the arguments of the pending step. Raises `PlatformError` where they cannot be seen."""
    body = None if pending is None else pending.arguments.body
    if body is None:
        raise PlatformError("the arguments as they are now cannot be seen: say all of them with --arguments")
    return json_object(body, "the arguments as they are now")
