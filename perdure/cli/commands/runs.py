"""Commands that start runs, follow them, list them, and pause, resume or cancel them."""

import asyncio
from typing import Annotated, Any

import typer

from perdure.cli import options, render
from perdure.cli import steps as steps_text
from perdure.cli.exits import Ended, Exit, exit_of
from perdure.cli.output import Output
from perdure.cli.session import Session, answered, session_of
from perdure.cli.values import UNREAD, Mistakes, budget, limit_of, name_of, span, words
from perdure.client import Platform
from perdure.contracts.runs.run import PATIENCE, AgentRequest, AskRequest, RunResult
from perdure.contracts.runs.timeline import EntryKind, EntryState
from perdure.errors import PlatformError, RunFailed
from perdure.launch import Request


def ask(
    context: typer.Context,
    question: Annotated[str, typer.Argument(help="The question; - reads it from standard input, @FILE from a file.")],
    *,
    chain: Annotated[str, typer.Option("--chain", help="The chain to ask.")] = "handbook",
    tenant: options.Tenant = "default",
    run_id: options.RunId = None,
    tier: options.Tier = None,
    dollars: options.Dollars = None,
    steps: options.Steps = None,
    until: options.Until = None,
    detach: options.Detach = False,
    within: options.Within = None,
    patience: options.Patience = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Ask a chain a question, and wait for the answer."""
    mistakes, default = Mistakes(), AskRequest.model_fields["budget"].default
    limits = mistakes.read(lambda: budget(default, dollars=dollars, steps=steps, tool_calls=None, until=until), default)
    fields: dict[str, Any] = {"question": mistakes.read(lambda: words(question, "question"), UNREAD)}
    fields |= {"chain": chain, "tenant": tenant, "tier": tier, "budget": limits}
    if patience is not None:
        fields["within"] = mistakes.read(lambda: span(patience, "--patience"), PATIENCE)
    request = mistakes.read(lambda: AskRequest.strictly(fields), None)
    limit = limit_of(mistakes, within, run_id)
    if request is None:
        raise AssertionError("a mistake was noted")
    _start(session_of(context), request, run_id, Output(as_json=as_json), detach=detach, limit=limit, quiet=quiet)


def run(
    context: typer.Context,
    agent: Annotated[str, typer.Argument(help="The agent: its file in agents/.")],
    task: Annotated[str, typer.Argument(help="The task; - reads it from standard input, @FILE from a file.")],
    *,
    tenant: options.Tenant = "default",
    run_id: options.RunId = None,
    tier: options.Tier = None,
    dollars: options.Dollars = None,
    steps: options.Steps = None,
    tool_calls: options.ToolCalls = None,
    until: options.Until = None,
    by: options.StartedBy = None,
    requires: options.Requires = None,
    detach: options.Detach = False,
    within: options.Within = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Give an agent a task, and wait for the result. Steps that wait for a person are shown."""
    mistakes, default = Mistakes(), AgentRequest.model_fields["budget"].default
    limits = mistakes.read(
        lambda: budget(default, dollars=dollars, steps=steps, tool_calls=tool_calls, until=until), default
    )
    session = session_of(context)
    fields = {
        "task": mistakes.read(lambda: words(task, "task"), UNREAD),
        "agent": agent,
        "tenant": tenant,
        "tier": tier,
        "budget": limits,
        "started_by": mistakes.read(lambda: _starter(session, by), ""),
        "requires": tuple(requires or ()),
    }
    request = mistakes.read(lambda: AgentRequest.strictly(fields), None)
    limit = limit_of(mistakes, within, run_id)
    if request is None:
        raise AssertionError("a mistake was noted")
    _start(session, request, run_id, Output(as_json=as_json), detach=detach, limit=limit, quiet=quiet)


def watch(
    context: typer.Context,
    run: options.Run,
    *,
    tenant: options.Tenant = "default",
    within: options.Within = None,
    as_json: options.Json = False,
) -> None:
    """Follow a run step by step until it ends. With --json: a line for each step, then the result."""
    session, out = session_of(context), Output(as_json=as_json)
    limit = None if within is None else span(within, "--within").total_seconds()
    session.work(lambda platform: _limited(_follow(session, platform, run, tenant, out, steps=True), limit, run))


def cancel(
    context: typer.Context, run: options.Run, *, tenant: options.Tenant = "default", as_json: options.Json = False
) -> None:
    """Ask a run to stop. Its outcome is then cancelled, with its cost; a run that is over stays as it is."""
    out = Output(as_json=as_json)
    session_of(context).work(lambda platform: platform.cancel(run, tenant=tenant))
    _did(out, run, tenant, f"asked {run} to stop", asked_to_stop=True)


def pause(
    context: typer.Context,
    run: options.Run,
    *,
    tenant: options.Tenant = "default",
    by: options.By = None,
    reason: options.Reason = "",
    as_json: options.Json = False,
) -> None:
    """Pause an agent's run: it starts nothing new until it is resumed. Calls under way finish first."""
    who = name_of(by)
    held = session_of(context).work(
        lambda platform: answered(platform.pause(run, by=who, reason=reason, tenant=tenant), run)
    )
    _did(Output(as_json=as_json), run, tenant, f"{run} is paused by {held.by}", paused=held.paused, by=held.by)


def resume(
    context: typer.Context,
    run: options.Run,
    *,
    tenant: options.Tenant = "default",
    by: options.By = None,
    as_json: options.Json = False,
) -> None:
    """Resume a paused agent's run."""
    who = name_of(by)
    held = session_of(context).work(lambda platform: answered(platform.resume(run, by=who, tenant=tenant), run))
    _did(Output(as_json=as_json), run, tenant, f"{run} goes on", paused=held.paused)


def _starter(session: Session, by: str | None) -> str:
    """Return the name that the starter gives; empty where a token names them."""
    return "" if by is None and session.caller_token is not None else name_of(by)


def _did(out: Output, run: str, tenant: str, line: str, **more: Any) -> None:
    if out.as_json:
        out.json({"run": run, "tenant": tenant, **more})
    else:
        out.say(line)


def _start(
    session: Session,
    request: Request,
    run_id: str | None,
    out: Output,
    *,
    detach: bool,
    limit: float | None,
    quiet: bool,
) -> None:
    async def do(platform: Platform) -> None:
        started = await platform.start_request(request, business_id=run_id)
        if detach:
            status = await platform.status(started, tenant=request.tenant)
            link = session.link(platform, status.workflow_id, status.temporal_run_id)
            if out.as_json:
                out.json({"run": started, "tenant": request.tenant, "link": link})
            else:
                out.answer(started)
                out.note(link)
            return
        if not out.as_json and run_id is None:
            out.note(f"run      {started}")
        await _limited(
            _follow(session, platform, started, request.tenant, out, steps=False, quiet=quiet), limit, started
        )

    session.work(do)


async def _limited(following: Any, limit: float | None, run: str) -> None:
    try:
        async with asyncio.timeout(limit):
            await following
    except TimeoutError:
        raise Ended(Exit.GOES_ON, f"waited {limit:.0f} s: run {run!r} goes on: perdure watch {run}") from None
    except asyncio.CancelledError:
        raise Ended(Exit.INTERRUPTED, f"stopped watching: run {run!r} goes on: perdure watch {run}") from None


async def _follow(
    session: Session, platform: Platform, run: str, tenant: str, out: Output, *, steps: bool, quiet: bool = False
) -> None:
    """Print the steps of a run as they come, then its result; end with the outcome's exit code."""
    say = out.say if steps else out.note
    async for entry in platform.timeline(run, tenant=tenant, follow=True):
        if out.as_json:
            if steps:
                out.json({"entry": entry})
        elif not quiet:
            say(*render.entry_lines(entry))
        if entry.kind is EntryKind.WAITS and entry.state is EntryState.RUNNING and not out.as_json:
            for step in await _now_waiting(platform, run, tenant):
                out.note(*steps_text.whole(run, step, tenant=tenant))
    try:
        result: RunResult = await platform.result(run, tenant=tenant)
    except RunFailed as error:
        if error.how is not None and not out.as_json:
            render.failed(out, error.how, run, tenant=tenant)
        raise
    status = await platform.status(run, tenant=tenant)
    link = session.link(platform, status.workflow_id, status.temporal_run_id)
    if out.as_json:
        out.json({"run": run, "tenant": tenant, "link": link, "result": result})
    else:
        render.result(out, result, link)
    raise Ended(exit_of(result.outcome))


async def _now_waiting(platform: Platform, run: str, tenant: str) -> Any:
    """Return the steps that wait now; none where no worker answers: the run goes on all the same."""
    try:
        # Not `wait_for`: before Python 3.12 it loses a Ctrl-C that comes together with the answer.
        async with asyncio.timeout(5):
            return await platform.pending(run, tenant=tenant)
    except (PlatformError, TimeoutError):
        return ()
