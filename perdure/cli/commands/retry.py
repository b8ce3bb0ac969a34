"""`perdure retry`: failed runs go on from where they failed, one by its id or all that failed since a time."""

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
"""Characters of a reason in the list."""


def retry(
    context: typer.Context,
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="The run's business id.", show_default=False)
    ] = None,
    *,
    failed: Annotated[bool, typer.Option("--failed", help="All runs that failed within --since.")] = False,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="With --failed: failed within 2h, 7d ...")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --failed: only list what would be retried.")] = False,
    tenant: options.Tenant = "default",
    every_tenant: Annotated[bool, typer.Option("--every-tenant", help="With --failed: of all tenants.")] = False,
    as_json: options.Json = False,
) -> None:
    """Let a failed run go on from the step that failed. What was paid for and written before is not done again."""
    session, out = session_of(context), Output(as_json=as_json)
    if failed == (run is not None):
        raise BadInput("say which: either RUN, or --failed --since TIME")
    if run is not None:
        if since is not None or dry_run or every_tenant:
            raise BadInput("--since, --dry-run and --every-tenant go with --failed: leave RUN out, or them")
        session.work(lambda platform: _one(session, platform, run, tenant, out))
        return
    if since is None:
        raise BadInput("--since: say how far back, so that nothing older begins again: --since 2h")
    moment, whose = datetime.now(UTC) - span(since, "--since"), None if every_tenant else tenant
    session.work(lambda platform: _all(platform, moment, whose, out, dry_run=dry_run))


async def _one(session: Session, platform: Platform, run: str, tenant: str, out: Output) -> None:
    found = await platform.retry(run, tenant=tenant)
    link = session.link(platform, found.workflow_id, found.temporal_run_id or "")
    if out.as_json:
        out.json({"run": run, "tenant": tenant, "link": link, "retry": found})
        return
    whose = "" if tenant == "default" else f" --tenant {tenant}"
    out.say(f"{run} goes on from {_from(found)}")
    out.note(f"failed   {one_line(found.reason, 300)}", f"run      {link}", f"perdure watch {run}{whose}")


async def _all(platform: Platform, since: datetime, tenant: str | None, out: Output, *, dry_run: bool) -> None:
    listed = [found async for found in platform.retry_failed(since, tenant=tenant, dry_run=True)]
    if dry_run and out.as_json:
        out.json(listed)
        return
    if dry_run:
        out.rows(COLUMNS, [_row(found, tenant) for found in listed])
        out.note(f"{_runs(len(listed))} would be retried")
        return
    out.note(*("  ".join(one_line(cell) for cell in _row(found, tenant)) for found in listed))
    out.note(f"{_runs(len(listed))} to retry")
    refused = 0
    for number, found in enumerate(listed, 1):
        # One after the other, and what was listed: what fails while this goes on is for the next time.
        came = await _retried(platform, found)
        refused += bool(came.problem)
        if out.as_json:
            out.json({"retry": came})
        else:
            told = f"not retried: {one_line(came.problem)}" if came.problem else f"goes on from {_from(came)}"
            out.say(f"[{number}/{len(listed)}] {_name(came, tenant)}  {told}")
    if refused:
        raise Ended(Exit.ERROR, f"{refused} of {_runs(len(listed))} were not retried")


async def _retried(platform: Platform, found: Retry) -> Retry:
    try:
        return await platform.retry(found.business_id, tenant=found.tenant)
    except PlatformError as error:
        return found.model_copy(update={"problem": str(error)})


def _row(found: Retry, tenant: str | None) -> tuple[str, ...]:
    when = "" if found.failed is None else ago(found.failed)
    reason = one_line(found.problem or found.reason, SHOWN)
    return _name(found, tenant), found.agent or found.kind, when, _from(found), reason


def _name(found: Retry, tenant: str | None) -> str:
    return found.business_id if tenant else f"{found.tenant}:{found.business_id}"


def _from(found: Retry) -> str:
    """Where it goes on, in words."""
    return ", ".join(found.again) or ("its last task" if found.event else "")


def _runs(count: int) -> str:
    return f"{count} run{'' if count == 1 else 's'}"
