"""`perdure retry`: continue failed runs from where they failed, one by its id or all that failed within a time."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from perdure.cli import options
from perdure.cli.exits import Ended, Exit
from perdure.cli.output import Output, ago, one_line
from perdure.cli.session import Session, session_of
from perdure.cli.values import span
from perdure.client import Platform
from perdure.contracts.contract import BadInput
from perdure.contracts.runs.retry import Retry
from perdure.errors import PlatformError

COLUMNS = ("run", "agent", "failed", "goes on from", "reason")

SHOWN = 100
"""The most characters of a reason in the list."""


def retry(
    context: typer.Context,
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="The run's business id.", show_default=False)
    ] = None,
    *,
    failed: Annotated[bool, typer.Option("--failed", help="Retry all runs that failed within --since.")] = False,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="With --failed: how far back, 2h, 7d ...")
    ] = None,
    cause: Annotated[
        str | None,
        typer.Option("--cause", metavar="ID", help="With --failed: only those of one cause (perdure list --why)."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --failed: only list what would be retried.")] = False,
    tenant: options.Tenant = "default",
    every_tenant: Annotated[bool, typer.Option("--every-tenant", help="With --failed: those of all tenants.")] = False,
    as_json: options.Json = False,
) -> None:
    """Continue a failed run from the step that failed. What was paid for or written before is not done again."""
    session, out = session_of(context), Output(as_json=as_json)
    if failed == (run is not None):
        raise BadInput("say which: either RUN, or --failed --since TIME")
    if run is not None:
        if since is not None or cause is not None or dry_run or every_tenant:
            raise BadInput("--since, --cause, --dry-run and --every-tenant go with --failed: leave RUN out, or them")
        session.work(lambda platform: _one(session, platform, run, tenant, out))
        return
    if since is None:
        raise BadInput("--since: say how far back, so that nothing older begins again: --since 2h")
    moment, whose = datetime.now(UTC) - span(since, "--since"), None if every_tenant else tenant
    session.work(lambda platform: _all(platform, moment, whose, out, cause=cause, dry_run=dry_run))


async def _one(session: Session, platform: Platform, run: str, tenant: str, out: Output) -> None:
    retried = await platform.retry(run, tenant=tenant)
    link = session.link(platform, retried.workflow_id, retried.temporal_run_id or "")
    if out.as_json:
        out.json({"run": run, "tenant": tenant, "link": link, "retry": retried})
        return
    whose = "" if tenant == "default" else f" --tenant {tenant}"
    out.say(f"{run} goes on from {_from(retried)}")
    out.note(f"failed   {one_line(retried.reason, 300)}", f"run      {link}", f"perdure watch {run}{whose}")


async def _all(
    platform: Platform, since: datetime, tenant: str | None, out: Output, *, cause: str | None, dry_run: bool
) -> None:
    failures = [failure async for failure in platform.retry_failed(since, tenant=tenant, cause=cause, dry_run=True)]
    if dry_run and out.as_json:
        out.json(failures)
        return
    if dry_run:
        out.rows(COLUMNS, [_row(failure, tenant) for failure in failures])
        out.note(f"{_runs(len(failures))} would be retried")
        return
    out.note(*("  ".join(one_line(cell) for cell in _row(failure, tenant)) for failure in failures))
    out.note(f"{_runs(len(failures))} to retry")
    refused = 0
    for number, failure in enumerate(failures, 1):
        # Retry the listed runs one after the other. Runs that fail meanwhile are left for the next time.
        retried = await _retried(platform, failure)
        refused += bool(retried.problem)
        if out.as_json:
            out.json({"retry": retried})
        else:
            problem = one_line(retried.problem)
            line = f"not retried: {problem}" if problem else f"goes on from {_from(retried)}"
            out.say(f"[{number}/{len(failures)}] {_name(retried, tenant)}  {line}")
    if refused:
        raise Ended(Exit.ERROR, f"{refused} of {_runs(len(failures))} were not retried")


async def _retried(platform: Platform, failure: Retry) -> Retry:
    try:
        return await platform.retry(failure.business_id, tenant=failure.tenant)
    except PlatformError as error:
        return failure.model_copy(update={"problem": str(error)})


def _row(failure: Retry, tenant: str | None) -> tuple[str, ...]:
    when = "" if failure.failed is None else ago(failure.failed)
    reason = one_line(failure.problem or failure.reason, SHOWN)
    return _name(failure, tenant), failure.agent or failure.kind, when, _from(failure), reason


def _name(failure: Retry, tenant: str | None) -> str:
    return failure.business_id if tenant is not None else f"{failure.tenant}:{failure.business_id}"


def _from(failure: Retry) -> str:
    """Return where the run continues, in words."""
    return ", ".join(failure.again) or ("its last task" if failure.event else "")


def _runs(count: int) -> str:
    return f"{count} run{'' if count == 1 else 's'}"
