"""Commands by which people decide: what waits, and what they say about it. What is approved is shown before it is."""

from typing import Annotated, Any

import typer

from perdure.cli import options, render
from perdure.cli.commands.decision import Decision, answer_of, arguments_of, fitting
from perdure.cli.output import Output, ago, one_line
from perdure.cli.session import session_of
from perdure.cli.values import json_object, pair, words
from perdure.contracts.contract import BadInput
from perdure.contracts.tool_calls.decisions import PendingStep, Ruling

SHOWN = 60
"""Characters of a call's arguments in the list; `perdure show RUN` has all of them."""

COLUMNS = ("run", "step", "asked for", "agent", "tool", "arguments", "since", "who decides", "digest")

SET = "NAME=VALUE"


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
    whose = None if every_tenant else tenant
    found = session_of(context).work(lambda platform: platform.inbox(whose, limit=limit))
    if as_json:
        out.json(found)
        return
    rows = [
        (
            entry.business_id if whose else f"{entry.tenant}:{entry.business_id}",
            step.step,
            step.waiting.value,
            entry.agent,
            step.tool,
            one_line(step.arguments.body or f"{step.unseen:,} bytes, too large to show", SHOWN),
            ago(step.since),
            render.deciders(step),
            step.digest,
        )
        for entry in found
        if (step := entry.step) is not None
    ]
    out.rows(COLUMNS, rows)
    out.note(*(f"{entry.business_id}: {entry.problem}" for entry in found if entry.problem))
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
    unseen: Annotated[
        bool, typer.Option("--unseen", help="Approve arguments that are too large to be shown, by their digest alone.")
    ] = False,
    digest: options.Digest = None,
    credential: options.Credential = None,
    decision_id: options.DecisionId = None,
    claims: options.Claims = False,
    as_json: options.Json = False,
) -> None:
    """Approve a step that waits: exactly what is shown may be called, once."""
    typed = {"tenant": tenant, "by": by, "reason": reason, "yes": yes, "digest": digest, "credential": credential}
    decision = Decision(context, run, step, decision_id=decision_id, as_json=as_json, claims=claims, **typed)
    decision.unseen = unseen
    decision.send("approve", lambda seen: {"ruling": fitting(Ruling.APPROVE, seen)})


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
    claims: options.Claims = False,
    as_json: options.Json = False,
) -> None:
    """Approve a step with other arguments than the model's. They are held against the tool's schema first."""
    if (arguments is None) == (not changes):
        raise BadInput("say what to change: either --arguments JSON, or --set NAME=VALUE")
    whole = None if arguments is None else json_object(arguments, "--arguments")
    parts = dict(pair(change, "--set") for change in changes or ())
    typed = {"tenant": tenant, "by": by, "reason": reason, "yes": yes, "digest": digest, "credential": credential}
    decision = Decision(context, run, step, decision_id=decision_id, as_json=as_json, claims=claims, **typed)

    def say(seen: PendingStep | None) -> dict[str, Any]:
        edited = whole if whole is not None else {**arguments_of(seen), **parts}
        return {"ruling": fitting(Ruling.APPROVE, seen), "arguments": edited}

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
    claims: options.Claims = False,
    as_json: options.Json = False,
) -> None:
    """Deny a step that waits: it is not called, and the model is told the reason."""
    typed = {"tenant": tenant, "by": by, "reason": reason, "yes": yes, "digest": digest, "credential": credential}
    decision = Decision(context, run, step, decision_id=decision_id, as_json=as_json, claims=claims, **typed)
    decision.send("deny", lambda seen: {"ruling": fitting(Ruling.DENY, seen)})


def answer(
    context: typer.Context,
    run: options.Run,
    step: options.Step = None,
    text: Annotated[
        str | None,
        typer.Argument(metavar="[ANSWER]", help="What the agent wants to know; @FILE reads it.", show_default=False),
    ] = None,
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
    claims: options.Claims = False,
    as_json: options.Json = False,
) -> None:
    """Answer what an agent asks, or say what became of a call of which nobody knows whether it was made."""
    if [text is not None, did_happen is not None, did_not_happen, retry].count(True) != 1:
        raise BadInput("say one thing: an ANSWER, or --did-happen RESULT, --did-not-happen, or --retry")
    said: dict[str, Any] = {"ruling": Ruling.RETRY if retry else Ruling.DID_NOT_HAPPEN}
    if did_happen is not None:
        said = {"ruling": Ruling.DID_HAPPEN, "result": words(did_happen, "--did-happen")}
    typed = {"tenant": tenant, "by": by, "reason": reason, "yes": yes, "digest": digest, "credential": credential}
    decision = Decision(context, run, step, decision_id=decision_id, as_json=as_json, claims=claims, **typed)

    def say(seen: PendingStep | None) -> dict[str, Any]:
        if text is None:
            return {**said, "ruling": fitting(said["ruling"], seen)}
        return {"ruling": fitting(Ruling.ANSWER, seen), "answer": answer_of(words(text, "ANSWER"), seen)}

    decision.send("answer", say)
