"""Commands by which people decide: what waits, and what they say about it. What is approved is shown before it is."""

import sys
import uuid
from collections.abc import Callable
from typing import Annotated, Any

import typer

from perdure.cli import options, telling
from perdure.cli.exits import Ended, Exit
from perdure.cli.inbox import waiting
from perdure.cli.output import Output, ago, one_line
from perdure.cli.runs import name_of
from perdure.cli.session import answered, session_of
from perdure.cli.values import from_file, json_object, pair, words
from perdure.client import Platform
from perdure.contracts.contract import BadInput
from perdure.contracts.decisions import PendingStep, Rejected, Ruling, StepDecision, Waiting
from perdure.errors import PlatformError

SHOWN = 60
"""Characters of a call's arguments in the list; `perdure show RUN` has all of them."""

SET = "NAME=VALUE"


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
        credential = typed["credential"]
        self.said: dict[str, Any] = {
            "decision_id": typed["decision_id"] or str(uuid.uuid4()),
            "by": name_of(typed["by"]),
            "reason": typed["reason"],
        }
        if credential is not None:
            self.said["credential"] = from_file(credential, "--credential").strip()

    def send(self, verb: str, say: Callable[[PendingStep | None], dict[str, Any]]) -> None:
        """Look at the step, show it, ask where somebody can be asked, and say it to the run."""
        self.session.work(lambda platform: self._send(platform, verb, say))

    async def _send(self, platform: Platform, verb: str, say: Callable[[PendingStep | None], dict[str, Any]]) -> None:
        seen = await self._seen(platform)
        step, digest = self.step or (seen.step if seen else ""), self.digest or (seen.digest if seen else "")
        said = say(seen)
        decision = StepDecision.strictly({**self.said, **said, "step": step, "digest": digest})
        self._confirm(verb, seen, step, said)
        reply = await answered(platform.decide(self.run, decision, tenant=self.tenant), self.run)
        if self.out.as_json:
            self.out.json({"run": self.run, "tenant": self.tenant, "step": step, **reply.model_dump(mode="json")})
        if isinstance(reply.came, Rejected):
            raise Ended(Exit.REJECTED, "" if self.out.as_json else f"run {self.run!r} rejected it: {reply.came.reason}")
        self.out.say(f"{verb}: {step} of {self.run}, by {self.said['by']}")

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

    def _confirm(self, verb: str, seen: PendingStep | None, step: str, said: dict[str, Any]) -> None:
        if seen is not None:
            self.out.note(*telling.waiting(self.run, seen, tenant=self.tenant)[:-1])
        if said.get("arguments") is not None:
            self.out.note("  with these arguments instead:", *telling.shown(said["arguments"]))
        if self.yes:
            return
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise BadInput(f"nobody can be asked here whether to {verb} {step}: look at it, and say it with --yes")
        if not typer.confirm(f"{verb} {step} as {self.said['by']}?", err=True):
            raise Ended(Exit.REJECTED, "nothing was said to the run")


def inbox(
    context: typer.Context,
    *,
    tenant: options.Tenant = "default",
    every_tenant: Annotated[bool, typer.Option("--every-tenant", help="Of all tenants.")] = False,
    limit: Annotated[int, typer.Option("--limit", help="Of so many runs at most.")] = 200,
    as_json: options.Json = False,
) -> None:
    """List everything that waits for a person: what exactly, since when, and in which run."""
    out = Output(as_json=as_json)
    found = session_of(context).work(lambda platform: waiting(platform, None if every_tenant else tenant, limit))
    if as_json:
        out.json(found)
        return
    rows = [
        (
            waits.run.business_id if not every_tenant else f"{waits.run.tenant}:{waits.run.business_id}",
            step.step,
            step.waiting.value,
            waits.run.agent or "",
            step.tool,
            one_line(step.arguments.body or "too large to show", SHOWN),
            ago(step.since),
            step.digest,
        )
        for waits in found
        for step in waits.steps
    ]
    out.rows(("run", "step", "asked for", "agent", "tool", "arguments", "since", "digest"), rows)
    out.note(*(f"{waits.run.business_id}: {waits.silent}" for waits in found if waits.silent))
    if not found:
        out.note("nothing waits for a person")


def approve(
    context: typer.Context,
    run: options.Run,
    step: options.Step = None,
    *,
    tenant: options.Tenant = "default",
    by: options.By = None,
    reason: options.Reason = "",
    yes: options.Yes = False,
    digest: options.Digest = None,
    credential: options.Credential = None,
    decision_id: options.DecisionId = None,
    as_json: options.Json = False,
) -> None:
    """Approve a step that waits: exactly what is shown may be called, once."""
    typed = {"tenant": tenant, "by": by, "reason": reason, "yes": yes, "digest": digest, "credential": credential}
    decision = Decision(context, run, step, decision_id=decision_id, as_json=as_json, **typed)
    decision.send("approve", lambda seen: {"ruling": _fitting(Ruling.APPROVE, seen)})


def edit(
    context: typer.Context,
    run: options.Run,
    step: options.Step = None,
    *,
    arguments: Annotated[
        str | None, typer.Option("--arguments", metavar="JSON", help="All arguments; @FILE reads them from a file.")
    ] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar=SET, help="One argument; may be given several times.")
    ] = None,
    tenant: options.Tenant = "default",
    by: options.By = None,
    reason: options.Reason = "",
    yes: options.Yes = False,
    digest: options.Digest = None,
    credential: options.Credential = None,
    decision_id: options.DecisionId = None,
    as_json: options.Json = False,
) -> None:
    """Approve a step with other arguments than the model's. They are held against the tool's schema first."""
    if (arguments is None) == (not changes):
        raise BadInput("say what to change: either --arguments JSON, or --set NAME=VALUE")
    whole = None if arguments is None else json_object(arguments, "--arguments")
    parts = dict(pair(change, "--set") for change in changes or ())
    typed = {"tenant": tenant, "by": by, "reason": reason, "yes": yes, "digest": digest, "credential": credential}
    decision = Decision(context, run, step, decision_id=decision_id, as_json=as_json, **typed)

    def say(seen: PendingStep | None) -> dict[str, Any]:
        edited = whole if whole is not None else {**_arguments(seen), **parts}
        return {"ruling": _fitting(Ruling.APPROVE, seen), "arguments": edited}

    decision.send("edit", say)


def deny(
    context: typer.Context,
    run: options.Run,
    step: options.Step = None,
    *,
    tenant: options.Tenant = "default",
    by: options.By = None,
    reason: options.Reason = "",
    yes: options.Yes = False,
    digest: options.Digest = None,
    credential: options.Credential = None,
    decision_id: options.DecisionId = None,
    as_json: options.Json = False,
) -> None:
    """Deny a step that waits: it is not called, and the model is told the reason."""
    typed = {"tenant": tenant, "by": by, "reason": reason, "yes": yes, "digest": digest, "credential": credential}
    decision = Decision(context, run, step, decision_id=decision_id, as_json=as_json, **typed)
    decision.send("deny", lambda seen: {"ruling": _fitting(Ruling.DENY, seen)})


def answer(
    context: typer.Context,
    run: options.Run,
    step: options.Step = None,
    *,
    did_happen: Annotated[
        str | None,
        typer.Option("--did-happen", metavar="RESULT", help="It was called, with this result: it is not called again."),
    ] = None,
    did_not_happen: Annotated[
        bool, typer.Option("--did-not-happen", help="It surely was not called: it is called once more.")
    ] = False,
    retry: Annotated[
        bool, typer.Option("--retry", help="Nobody knows, and twice is better than not at all: it is called once more.")
    ] = False,
    tenant: options.Tenant = "default",
    by: options.By = None,
    reason: options.Reason = "",
    yes: options.Yes = False,
    digest: options.Digest = None,
    credential: options.Credential = None,
    decision_id: options.DecisionId = None,
    as_json: options.Json = False,
) -> None:
    """Say what became of a call of which nobody knows whether it was made."""
    if [did_happen is not None, did_not_happen, retry].count(True) != 1:
        raise BadInput("say one thing: --did-happen RESULT, --did-not-happen, or --retry")
    said: dict[str, Any] = {"ruling": Ruling.RETRY if retry else Ruling.DID_NOT_HAPPEN}
    if did_happen is not None:
        said = {"ruling": Ruling.DID_HAPPEN, "result": words(did_happen, "--did-happen")}
    typed = {"tenant": tenant, "by": by, "reason": reason, "yes": yes, "digest": digest, "credential": credential}
    decision = Decision(context, run, step, decision_id=decision_id, as_json=as_json, **typed)
    decision.send("answer", lambda seen: {**said, "ruling": _fitting(said["ruling"], seen)})


def _fitting(ruling: Ruling, seen: PendingStep | None) -> Ruling:
    """The ruling, where it says something to what is asked."""
    if seen is None or (seen.waiting is Waiting.APPROVAL) == (ruling in {Ruling.APPROVE, Ruling.DENY}):
        return ruling
    if seen.waiting is Waiting.APPROVAL:
        raise BadInput(f"STEP: {seen.step} waits for an approval: use perdure approve, edit or deny")
    raise BadInput(f"STEP: nobody knows what became of {seen.step}: use perdure answer")


def _arguments(seen: PendingStep | None) -> dict[str, Any]:
    body = None if seen is None else seen.arguments.body
    if body is None:
        raise PlatformError("the arguments as they are now cannot be seen: say all of them with --arguments")
    return json_object(body, "the arguments as they are now")
