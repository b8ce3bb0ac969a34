"""One decision from the command line to its run: look the step up, show it, confirm, and send the decision."""

import base64
import json
import sys
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import typer

from perdure.cli import steps
from perdure.cli.exits import Ended, Exit
from perdure.cli.output import Output
from perdure.cli.session import answered, session_of
from perdure.cli.values import from_file, json_object, name_of, pair
from perdure.client import Platform
from perdure.contracts.contract import BadInput
from perdure.contracts.tool_calls.credentials import claims_of
from perdure.contracts.tool_calls.decisions import (
    RULINGS,
    Accepted,
    PendingStep,
    Rejected,
    Ruling,
    StepDecision,
    Waiting,
)
from perdure.errors import PlatformError, UnknownRun
from perdure.runs import workflow_id

WHOLE = 64
"""The characters of a whole digest."""

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
        try:
            pending = await self._pending(platform)
            decision = self._decision(pending, rule)
            if self.claims and pending is None and self.digest is None:
                raise Ended(Exit.REJECTED, f"the step {self.step!r} of run {self.run!r} does not wait for a person")
            if self.claims:
                self.out.json(claims_of(decision, workflow_id(self.tenant, self.run), now=datetime.now(UTC)))
                return
            if pending is not None or self.digest is not None:
                self._confirm(verb, pending, decision)
            reply = await answered(platform.decide(self.run, decision, tenant=self.tenant), self.run)
        except UnknownRun as error:
            raise Ended(Exit.REJECTED, str(error)) from None
        if self.out.as_json:
            shown = {"run": self.run, "tenant": self.tenant, "step": decision.step}
            self.out.json({**shown, **reply.model_dump(mode="json")})
        if isinstance(reply.came, Rejected):
            raise Ended(Exit.REJECTED, "" if self.out.as_json else f"run {self.run!r} rejected it: {reply.came.reason}")
        self.out.say(taken(verb, self.run, decision, reply.came))

    def _decision(
        self, pending: PendingStep | None, rule: Callable[[PendingStep | None], dict[str, Any]]
    ) -> StepDecision:
        """Return the decision about a step. About one that does not wait it names no digest, so it can never count."""
        step = pending.step if pending is not None else self.step or ""
        ruling = rule(pending)
        if pending is not None and ruling["ruling"] is Ruling.APPROVE and ruling.get("arguments") is None:
            self.require_seen(pending)
        seen = pending.digest if pending is not None and self.digest is None else whole_digest(self.digest, pending)
        return StepDecision.strictly({**self.fields, **ruling, "step": step, "digest": seen})

    async def _pending(self, platform: Platform) -> PendingStep | None:
        """Return the step that waits; None where the named one does not: the run rejects that, and everybody sees it.

        Raises `UnknownRun`, but not for a decision that can be written down.
        """
        try:
            waiting = await answered(platform.pending(self.run, tenant=self.tenant), self.run)
        except UnknownRun:
            if self.step is None:
                raise
            return None
        chosen = [step for step in waiting if self.step is None or step.step == self.step]
        match chosen:
            case [step]:
                return step
            case [] if self.step is not None:
                return None
            case []:
                raise Ended(Exit.REJECTED, f"nothing in run {self.run!r} waits for a person")
            case several:
                names = ", ".join(step.step for step in several)
                listed = "\n".join(steps.line(step) for step in several)
                raise BadInput(f"STEP: several wait in run {self.run!r}: name one of {names}\n{listed}")

    def require_seen(self, step: PendingStep) -> None:
        """Raise `BadInput` for an approval of arguments that cannot be shown, unless `unseen` allows it."""
        if step.unseen and not self.unseen:
            raise BadInput(
                f"{step.step}: its arguments are {step.unseen:,} bytes, of which nothing is shown here: read the text "
                f"{step.arguments.digest} in the platform's database and approve it with --unseen, or deny it"
            )

    def _confirm(self, verb: str, pending: PendingStep | None, decision: StepDecision) -> None:
        if pending is not None:
            self.out.note(*steps.whole(self.run, pending, tenant=self.tenant)[:-1])
        if decision.arguments is not None:
            self.out.note(
                "  with these arguments instead:", *(f"    {line}" for line in steps.shown(decision.arguments))
            )
        if self.yes:
            return
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise BadInput(
                f"nobody can be asked here whether to {verb} {decision.step}: look at it, and say it with --yes"
            )
        if not typer.confirm(f"{verb} {decision.step} as {self.fields['by']}?", err=True):
            raise Ended(Exit.REJECTED, "no decision was sent to the run")


def taken(verb: str, run: str, decision: StepDecision, reply: Accepted) -> str:
    """Return the line on a decision that counts."""
    unverified = "" if reply.verified else ", unverified"
    missing = f"; {reply.missing} more have to agree" if reply.missing else ""
    return f"{verb}: {decision.step} of {run}, by {decision.by}{unverified}{missing}"


def whole_digest(typed: str | None, pending: PendingStep | None) -> str:
    """Return the whole digest for one that was typed, perhaps only its first characters.

    One that is not the step's is filled with zeros: the run rejects the decision, and everybody sees that.
    """
    if typed is None:
        return "0" * WHOLE
    if len(typed) < steps.DIGEST:
        raise BadInput(f"--digest: {typed!r} has {len(typed)} characters: give at least the first {steps.DIGEST}")
    if pending is not None and pending.digest.startswith(typed):
        return pending.digest
    return typed.ljust(WHOLE, "0")


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
