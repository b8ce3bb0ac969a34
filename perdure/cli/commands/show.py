"""`perdure show` and `perdure history`: a run's timeline, and its raw history."""

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from perdure.cli import options, render, steps
from perdure.cli.exits import Ended, Exit
from perdure.cli.output import Output
from perdure.cli.session import session_of
from perdure.client import Platform
from perdure.contracts.contract import BadInput, Contract
from perdure.contracts.runs.beginning import Beginning
from perdure.contracts.runs.run import FailedRun, RunResult, RunStatus
from perdure.contracts.runs.timeline import EntryKind, EntryState, TimelineEntry
from perdure.contracts.tool_calls.decisions import PendingStep
from perdure.errors import PlatformError, RunFailed

history = typer.Typer(help="Export the history of a run: everything that Temporal recorded.", no_args_is_help=False)

LASTS = {EntryKind.EFFECT, EntryKind.TIMER, EntryKind.CHILD}
"""The kinds with a beginning and an end of their own."""


class ShownRun(Contract):
    """A run as `perdure show` prints it."""

    status: RunStatus
    link: str
    """The URL in the Temporal UI, or the run's ids."""
    entries: tuple[TimelineEntry, ...]
    pending: tuple[PendingStep, ...] | None
    """The steps that wait for a person; None where no worker answers."""
    result: RunResult | None
    """The result; None for a run without an outcome."""
    beginning: Beginning = Beginning()
    """The task, and who started the run."""
    failed: FailedRun | None = None
    """The failure of a failed run; None for any other."""


def show(
    context: typer.Context, run: options.Run, *, tenant: options.Tenant = "default", as_json: options.Json = False
) -> None:
    """Show what happened in a run, its cost, the guards' verdicts, what waits for a person, and the result."""
    session, out = session_of(context), Output(as_json=as_json)

    async def do(platform: Platform) -> None:
        status = await platform.status(run, tenant=tenant)
        entries = tuple([entry async for entry in platform.timeline(run, tenant=tenant)])
        well = entries[-1].kind is EntryKind.ENDED and entries[-1].state is EntryState.DONE
        shown = ShownRun(
            status=status,
            link=session.link(platform, status.workflow_id, status.temporal_run_id),
            entries=entries,
            pending=await _pending(platform, status),
            result=await platform.result(run, tenant=tenant) if well else None,
            beginning=await platform.beginning(run, tenant=tenant),
            failed=await _failed(platform, status) if status.state == "failed" else None,
        )
        if out.as_json:
            out.json(shown)
        else:
            _print(out, shown)

    session.work(do)


async def _failed(platform: Platform, status: RunStatus) -> FailedRun | None:
    """Return the details of a failed run; None where it could not report them."""
    try:
        await platform.result(status.business_id, tenant=status.tenant)
    except RunFailed as error:
        return error.how
    return None


async def _pending(platform: Platform, status: RunStatus) -> tuple[PendingStep, ...] | None:
    """Return the steps that wait for a person; None where no worker answers."""
    if status.state != "running":
        return ()
    try:
        async with asyncio.timeout(5):
            return await platform.pending(status.business_id, tenant=status.tenant)
    except TimeoutError:
        return None
    except PlatformError:  # a chain: nothing in it waits for people
        return ()


def _print(out: Output, shown: ShownRun) -> None:
    status, entries = shown.status, shown.entries
    how = status.outcome or (status.phase.value if status.phase and status.state == "running" else status.state)
    out.say(f"{status.business_id}  {how}  since {status.started:%Y-%m-%d %H:%M:%S %Z}", shown.link)
    out.say(*steps.task(shown.beginning))
    ended = {(entry.execution, entry.began) for entry in entries}
    for entry in entries:
        # The run's reply to a signal has an entry of its own, which says the same and more.
        if entry.kind is not EntryKind.PERSON or (entry.execution, entry.event) not in ended:
            out.say(*render.entry_lines(entry, every_guard=True))
    for entry in entries if status.state == "running" else ():
        if entry.state is EntryState.RUNNING and entry.kind in LASTS and (entry.execution, entry.event) not in ended:
            out.say(f"{entry.at:%H:%M:%S}  {entry.name:<13} {entry.summary}  is going on")
    if shown.pending is None:
        out.note("no worker says what waits for people: is one running?")
    for step in shown.pending or ():
        out.say(*steps.whole(status.business_id, step, tenant=status.tenant))
    if shown.result is not None:
        render.result(out, shown.result, shown.link)
    if shown.failed is not None:
        render.failed(out, shown.failed, status.business_id, tenant=status.tenant)


@history.command("export")
def export(
    context: typer.Context,
    run: options.Run,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write: JSON for Temporal's replayers.")],
    *,
    tenant: options.Tenant = "default",
    execution: Annotated[
        int | None, typer.Option("--execution", help="Which execution of a long run (default: the newest).")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    as_json: options.Json = False,
) -> None:
    """Write a run's history to a file that can be replayed. It holds the run's texts, so only you may read the file."""
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
    """Write all of the text or nothing, readable only for its owner."""
    part = file.with_name(f".{file.name}.part")
    try:
        opened = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(opened, "w") as written:
            written.write(text)
        part.replace(file)
    except OSError as error:
        part.unlink(missing_ok=True) if part.parent.is_dir() else None
        raise Ended(Exit.ERROR, f"cannot write {str(file)!r}: {error.strerror}: choose another FILE") from None
