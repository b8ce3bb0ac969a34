"""Commands by which people decide: list what waits, approve, edit, deny, answer. Each shows the step first."""

import sys
from typing import Annotated, Any

import typer

from perdure.cli import options, steps
from perdure.cli.commands.deciding import one_by_one
from perdure.cli.commands.decision import Decision, answer_of, arguments_of, fitting
from perdure.cli.commands.watching import LEAST_PAUSE, follow
from perdure.cli.output import Output, ago, one_line
from perdure.cli.session import session_of
from perdure.cli.values import json_object, pair, span, words
from perdure.contracts.contract import BadInput
from perdure.contracts.tool_calls.decisions import InboxEntry, PendingStep, Ruling

COLUMNS = ("run", "step", "asked for", "agent", "tool", "arguments", "since", "who decides", "task", "digest")

SET = "NAME=VALUE"

RunOrAll = Annotated[
    str | None,
    typer.Argument(metavar="[RUN]", help="The run; without one, all that waits, one by one.", show_default=False),
]


def inbox(
    context: typer.Context,
    *,
    tenant: options.Tenant = "default",
    every_tenant: Annotated[bool, typer.Option("--every-tenant", help="List those of all tenants.")] = False,
    limit: Annotated[int, typer.Option("--limit", help="The most runs to look at.")] = 200,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Go on, with a line for each that comes or goes.")
    ] = False,
    every: Annotated[str, typer.Option("--every", metavar="TIME", help="How often --watch looks.")] = "2s",
    bell: Annotated[bool, typer.Option("--bell", help="Ring the terminal's bell for each new one.")] = False,
    decide: Annotated[bool, typer.Option("--decide", "-d", help="Show one after the other: one key decides.")] = False,
    by: options.By = None,
    as_json: options.Json = False,
) -> None:
    """List the steps that wait for a person: what, why, since when, and in which run."""
    if decide:
        one_by_one(context, None if every_tenant else tenant, by=by, limit=limit, as_json=as_json or watch)
        return
    out, session = Output(as_json=as_json), session_of(context)
    whose = None if every_tenant else tenant
    if watch:
        pause = max(LEAST_PAUSE, span(every, "--every").total_seconds())
        session.work(lambda platform: follow(platform, out, whose, limit=limit, pause=pause, bell=bell))
        return
    entries = session.work(lambda platform: platform.inbox(whose, limit=limit))
    if as_json:
        out.json(entries)
        return
    waiting = [(entry, entry.step) for entry in entries if entry.step is not None]
    if sys.stdout.isatty():
        for entry, step in waiting:
            out.say(*steps.brief(entry.business_id, entry.agent, step, tenant=entry.tenant), "")
    else:
        out.rows(COLUMNS, [_row(entry, step, tenants=every_tenant) for entry, step in waiting])
    out.note(*(f"{entry.business_id}: {entry.problem}" for entry in entries if entry.problem))
    if not entries:
        out.note("nothing waits for a person")


def _row(entry: InboxEntry, step: PendingStep, *, tenants: bool) -> tuple[str, ...]:
    """Return a step as columns for a script: nothing is cut, and the digest is the last."""
    return (
        f"{entry.tenant}:{entry.business_id}" if tenants else entry.business_id,
        step.step,
        step.waiting.value,
        entry.agent,
        step.tool,
        one_line(step.arguments.body or f"{step.unseen:,} bytes, too large to show"),
        ago(step.since),
        f"{steps.deciders(step)}; nobody answers: {steps.lapse(step)}",
        one_line(f"{steps.starter(step)}: {step.briefing.task.text if step.briefing is not None else ''}"),
        step.digest,
    )


def approve(
    context: typer.Context,
    run: RunOrAll = None,
    step: options.Step = None,
    *,
    tenant: options.Tenant = "default",
    by: options.By = None,
    reason: options.Reason = "",
    yes: options.Yes = False,
    unseen: Annotated[
        bool, typer.Option("--unseen", help="Approve arguments that are too large to be shown, by digest only.")
    ] = False,
    digest: options.Digest = None,
    credential: options.Credential = None,
    decision_id: options.DecisionId = None,
    claims: options.Claims = False,
    as_json: options.Json = False,
) -> None:
    """Approve a pending step: the call that is shown may be made, once. Without a run, decide all one by one."""
    if run is None:
        one_by_one(context, tenant, by=by, as_json=as_json or yes or claims or digest is not None)
        return
    typed = {"tenant": tenant, "by": by, "reason": reason, "yes": yes, "digest": digest, "credential": credential}
    decision = Decision(context, run, step, decision_id=decision_id, as_json=as_json, claims=claims, **typed)
    decision.unseen = unseen
    decision.send("approve", lambda pending: {"ruling": fitting(Ruling.APPROVE, pending)})


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
    """Approve a pending step with other arguments. They are first checked against the tool's schema."""
    if (arguments is None) == (not changes):
        raise BadInput("say what to change: either --arguments JSON, or --set NAME=VALUE")
    whole = None if arguments is None else json_object(arguments, "--arguments")
    parts = dict(pair(change, "--set") for change in changes or ())
    typed = {"tenant": tenant, "by": by, "reason": reason, "yes": yes, "digest": digest, "credential": credential}
    decision = Decision(context, run, step, decision_id=decision_id, as_json=as_json, claims=claims, **typed)

    def rule(pending: PendingStep | None) -> dict[str, Any]:
        seen = {} if pending is None and digest is None else arguments_of(pending)
        edited = whole if whole is not None else {**seen, **parts}
        return {"ruling": fitting(Ruling.APPROVE, pending), "arguments": edited}

    decision.send("edit", rule)


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
    """Deny a pending step: it is not called, and the model is shown the reason."""
    typed = {"tenant": tenant, "by": by, "reason": reason, "yes": yes, "digest": digest, "credential": credential}
    decision = Decision(context, run, step, decision_id=decision_id, as_json=as_json, claims=claims, **typed)
    decision.send("deny", lambda pending: {"ruling": fitting(Ruling.DENY, pending)})


def answer(
    context: typer.Context,
    run: options.Run,
    step: options.Step = None,
    text: Annotated[
        str | None,
        typer.Argument(
            metavar="[ANSWER]", help="The answer to the agent's question; @FILE reads a file.", show_default=False
        ),
    ] = None,
    *,
    did_happen: Annotated[
        str | None,
        typer.Option(
            "--did-happen", metavar="RESULT", help="The call happened, with this result: it is not made again."
        ),
    ] = None,
    did_not_happen: Annotated[
        bool, typer.Option("--did-not-happen", help="The call surely did not happen: it is made once more.")
    ] = False,
    retry: Annotated[
        bool,
        typer.Option("--retry", help="It is unknown, and twice is better than not at all: the call is made once more."),
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
    """Answer an agent's question, or say whether a call with an unknown outcome happened."""
    if [text is not None, did_happen is not None, did_not_happen, retry].count(True) != 1:
        raise BadInput("say one thing: an ANSWER, or --did-happen RESULT, --did-not-happen, or --retry")
    ruling: dict[str, Any] = {"ruling": Ruling.RETRY if retry else Ruling.DID_NOT_HAPPEN}
    if did_happen is not None:
        ruling = {"ruling": Ruling.DID_HAPPEN, "result": words(did_happen, "--did-happen")}
    typed = {"tenant": tenant, "by": by, "reason": reason, "yes": yes, "digest": digest, "credential": credential}
    decision = Decision(context, run, step, decision_id=decision_id, as_json=as_json, claims=claims, **typed)

    def rule(pending: PendingStep | None) -> dict[str, Any]:
        if text is None:
            return {**ruling, "ruling": fitting(ruling["ruling"], pending)}
        return {"ruling": fitting(Ruling.ANSWER, pending), "answer": answer_of(words(text, "ANSWER"), pending)}

    decision.send("answer", rule)
