"""`perdure show` and `perdure history`: a run as its history tells it, and the history itself."""

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from perdure.cli import options, render
from perdure.cli.exits import Ended, Exit
from perdure.cli.output import Output
from perdure.cli.session import session_of
from perdure.client import Platform
from perdure.contracts.contract import BadInput, Contract
from perdure.contracts.runs.run import FailedRun, RunResult, RunStatus
from perdure.contracts.runs.timeline import EntryKind, EntryState, TimelineEntry
from perdure.contracts.tool_calls.decisions import PendingStep
from perdure.errors import PlatformError, RunFailed

history = typer.Typer(help="The history of a run: all that Temporal recorded of it.", no_args_is_help=False)

LASTS = {EntryKind.EFFECT, EntryKind.TIMER, EntryKind.CHILD}
"""What has a beginning and an end of its own."""


class Seen(Contract):
    """A run as it is shown."""

    status: RunStatus
    link: str
    entries: tuple[TimelineEntry, ...]
    pending: tuple[PendingStep, ...] | None
    """What waits for a person; None where no worker says."""
    result: RunResult | None
    failed: FailedRun | None = None
    """What a failed run had spent, and which of its writes are in doubt."""


def show(
    context: typer.Context, run: options.Run, *, tenant: options.Tenant = "default", as_json: options.Json = False
) -> None:
    """Show what happened in a run, what it cost, what guards said, what waits, and what came of it."""
    session, out = session_of(context), Output(as_json=as_json)

    async def do(platform: Platform) -> None:
        status = await platform.status(run, tenant=tenant)
        entries = tuple([entry async for entry in platform.timeline(run, tenant=tenant)])
        well = entries[-1].kind is EntryKind.ENDED and entries[-1].state is EntryState.DONE
        seen = Seen(
            status=status,
            link=session.link(platform, status.workflow_id, status.temporal_run_id),
            entries=entries,
            pending=await _pending(platform, status),
            result=await platform.result(run, tenant=tenant) if well else None,
            failed=await _failed(platform, status) if status.state == "failed" else None,
        )
        if out.as_json:
            out.json(seen)
        else:
            _tell(out, seen)

    session.work(do)


async def _failed(platform: Platform, status: RunStatus) -> FailedRun | None:
    """What a run that failed says of itself."""
    try:
        await platform.result(status.business_id, tenant=status.tenant)
    except RunFailed as error:
        return error.how
    return None


async def _pending(platform: Platform, status: RunStatus) -> tuple[PendingStep, ...] | None:
    """What waits for a person; None where no worker can say."""
    if status.state != "running":
        return ()
    try:
        async with asyncio.timeout(5):
            return await platform.pending(status.business_id, tenant=status.tenant)
    except TimeoutError:
        return None
    except PlatformError:  # a chain: nothing in it waits for people
        return ()


def _tell(out: Output, seen: Seen) -> None:
    status, entries = seen.status, seen.entries
    how = status.outcome or (status.phase.value if status.phase and status.state == "running" else status.state)
    out.say(f"{status.business_id}  {how}  since {status.started:%Y-%m-%d %H:%M:%S %Z}", seen.link)
    for entry in entries:
        out.say(*render.told(entry, every_guard=True))
    ended = {(entry.execution, entry.began) for entry in entries}
    for entry in entries if status.state == "running" else ():
        if entry.state is EntryState.RUNNING and entry.kind in LASTS and (entry.execution, entry.event) not in ended:
            out.say(f"{entry.at:%H:%M:%S}  {entry.name:<13} {entry.summary}  is going on")
    if seen.pending is None:
        out.note("no worker says what waits for people: is one running?")
    for step in seen.pending or ():
        out.say(*render.waiting(status.business_id, step, tenant=status.tenant))
    if seen.result is not None:
        render.result(out, seen.result, seen.link)
    if seen.failed is not None:
        render.failed(out, seen.failed, status.business_id, tenant=status.tenant)


@history.command("export")
def export(
    context: typer.Context,
    run: options.Run,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Where to write it: JSON, as Temporal's replayers read it.")
    ],
    *,
    tenant: options.Tenant = "default",
    execution: Annotated[
        int | None, typer.Option("--execution", help="Which one of a run that was continued (default: the newest).")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: options.Json = False,
) -> None:
    """Write a run's history to a file that can be replayed. It holds the run's texts: nobody else may read the file."""
    out = Output(as_json=as_json)
    if file.exists() and not force:
        raise BadInput(f"FILE: {str(file)!r} is there already: choose another name, or replace it with --force")
    histories = session_of(context).work(lambda platform: platform.executions(run, tenant=tenant))
    number = len(histories) if execution is None else execution
    if not 1 <= number <= len(histories):
        raise BadInput(f"--execution: run {run!r} has {len(histories)}: there is no number {number}")
    chosen = histories[number - 1]
    _write(file, chosen.to_json())
    if as_json:
        out.json({"file": str(file), "events": len(chosen.events), "execution": number, "executions": len(histories)})
        return
    of = f", execution {number} of {len(histories)}" if len(histories) > 1 else ""
    out.say(f"wrote {len(chosen.events)} events to {file}{of}")


def _write(file: Path, text: str) -> None:
    """All of it or nothing, readable for its owner alone."""
    part = file.with_name(f".{file.name}.part")
    try:
        opened = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(opened, "w") as written:
            written.write(text)
        part.replace(file)
    except OSError as error:
        part.unlink(missing_ok=True) if part.parent.is_dir() else None
        raise Ended(Exit.ERROR, f"cannot write {str(file)!r}: {error.strerror}: choose another FILE") from None
