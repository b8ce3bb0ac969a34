"""`perdure list`: runs one by one, or with --why the failed ones grouped by their cause."""

import sys
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console

from perdure.cli import options
from perdure.cli.output import Output, ago, one_line
from perdure.cli.session import Session, session_of
from perdure.cli.values import span
from perdure.contracts.budget import dollars
from perdure.contracts.contract import BadInput
from perdure.contracts.runs.failures import FailureGroup
from perdure.contracts.runs.listing import RunFilter, RunSummary
from perdure.run_views import phase_named

MOST = 50
"""The most runs of a list where --limit is left out."""

LONGEST = 300
"""The most characters of a message."""


def list_runs(
    context: typer.Context,
    *,
    tenant: options.Tenant = "default",
    every_tenant: Annotated[bool, typer.Option("--every-tenant", help="List those of all tenants.")] = False,
    agent: Annotated[str | None, typer.Option("--agent", help="Only runs of this agent, chain or schema.")] = None,
    phase: Annotated[
        str | None, typer.Option("--phase", help="Only runs in this phase: generating, paused ...")
    ] = None,
    outcome: Annotated[str | None, typer.Option("--outcome", help="Only runs with this outcome: answered ...")] = None,
    state: Annotated[
        str | None, typer.Option("--state", help="Only runs in this state of Temporal's: running, failed ...")
    ] = None,
    waiting: Annotated[bool, typer.Option("--waiting", help="Only runs in which a step waits for a person.")] = False,
    failed: Annotated[bool, typer.Option("--failed", help="Only runs that failed, or ran out of time.")] = False,
    why: Annotated[
        bool, typer.Option("--why", help="With --failed --since: group them by cause, each with its remedy.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="TIME",
            help="Only runs that started within this time, with --failed that ended: 24h, 7d ...",
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", help=f"The most runs to list (default: {MOST}).")] = None,
    as_json: options.Json = False,
) -> None:
    """List runs, the newest first; with --failed --since TIME --why the causes of failed ones."""
    session, out, whose = session_of(context), Output(as_json=as_json), None if every_tenant else tenant
    moment = None if since is None else datetime.now(UTC) - span(since, "--since")
    if why:
        others = {"--agent": agent, "--phase": phase, "--outcome": outcome, "--state": state, "--limit": limit}
        unused = [option for option, typed in {**others, "--waiting": waiting or None}.items() if typed is not None]
        if not failed or moment is None or since is None:
            raise BadInput("--why: goes with --failed and --since, such as: perdure list --failed --since 2h --why")
        if unused:
            raise BadInput(f"{unused[0]}: --why groups all that failed: leave out {', '.join(unused)}")
        _causes(session, out, moment, whose, since)
        return
    fields: dict[str, Any] = {"tenant": whose, "agent": agent, "outcome": outcome, "failed": failed}
    fields |= {"state": state, "limit": MOST if limit is None else limit, "awaiting": True if waiting else None}
    fields["phase"] = None if phase is None else _phase(phase)
    fields["ended_since" if failed else "since"] = moment
    which = RunFilter.strictly(fields)
    runs = session.work(lambda platform: platform.list_runs(which))
    if as_json:
        out.json(runs)
        return
    columns = ("run", "agent", "state", "phase", "outcome", "cost", "started")
    out.rows(columns, (_row(run, every_tenant=every_tenant) for run in runs))


def _row(run: RunSummary, *, every_tenant: bool) -> tuple[str, ...]:
    return (
        run.business_id if not every_tenant else f"{run.tenant}:{run.business_id}",
        run.agent or run.kind,
        run.state,
        ("waits for a person" if run.awaiting else run.phase or "") if run.state == "running" else "",
        run.outcome or "",
        "" if run.micro_dollars is None else dollars(run.micro_dollars),
        ago(run.started),
    )


def _causes(session: Session, out: Output, moment: datetime, tenant: str | None, since: str) -> None:
    """Print a paragraph for each cause, the most frequent one first."""
    whose = " --every-tenant" if tenant is None else "" if tenant == "default" else f" --tenant {tenant}"
    with Console(stderr=True).status("reading what failed") as status:

        def progress(read: int, count: int) -> None:
            if sys.stderr.isatty():
                status.update(f"reading what failed: {read:,} of {count:,} runs")

        groups = session.work(lambda platform: platform.failures(moment, tenant=tenant, progress=progress))
    retries = [f"perdure retry --failed --since {since} --cause {group.cause.id}{whose}" for group in groups]
    if out.as_json:
        pairs = zip(groups, retries, strict=True)
        out.json([{**group.model_dump(mode="json"), "retry": retry} for group, retry in pairs])
        return
    for group, retry in zip(groups, retries, strict=True):
        out.say(*_paragraph(group, retry))
    count = sum(group.count for group in groups)
    out.note(f"{_runs(count)} failed within {since}, for {len(groups)} cause{'' if len(groups) == 1 else 's'}")


def _paragraph(group: FailureGroup, retry: str) -> list[str]:
    cause = group.cause
    whose = "" if group.tenant == "default" else f" --tenant {group.tenant}"
    when = ago(group.last) if group.count == 1 else f"first {ago(group.first)}, last {ago(group.last)}"
    return [
        f"{_runs(group.count)}  {cause.effect}: {cause.kind}  {when}",
        f"  {one_line(cause.message, LONGEST)}",
        f"  do       {group.remedy}",
        f"  example  perdure show {group.example}{whose}",
        f"  then     {retry}",
    ]


def _phase(typed: str) -> Any:
    try:
        return phase_named(typed)
    except ValueError:
        raise BadInput(f"--phase: there is no phase {typed!r}: use generating, awaiting_approval, paused ...") from None


def _runs(count: int) -> str:
    return f"{count:,} run{'' if count == 1 else 's'}"
