"""`perdure schedule`: create, list and change schedules of runs."""

from datetime import timedelta
from typing import Annotated, Any

import typer

from perdure.cli import options
from perdure.cli.output import Output, ago
from perdure.cli.session import session_of
from perdure.cli.values import UNREAD, Mistakes, budget, moment, name_of, span, words
from perdure.contracts.contract import BadInput
from perdure.contracts.runs.run import AgentRequest, AskRequest
from perdure.contracts.runs.schedules import Calendar, Overlap, ScheduleStatus, Timetable

schedule = typer.Typer(help="Create, list and change schedules, which start runs by a calendar.")

DAY = timedelta(days=1)
UNNAMED = "unnamed"
"""A chain in the place of one that was not given, so that the other mistakes of the line are found too."""

Name = Annotated[str, typer.Argument(metavar="NAME", help="The schedule's name.", show_default=False)]


@schedule.command("create")
def create(
    context: typer.Context,
    name: Name,
    text: Annotated[str, typer.Argument(help="The task or the question; - reads standard input, @FILE a file.")],
    *,
    agent: Annotated[str | None, typer.Option("--agent", help="The agent that does the task.")] = None,
    chain: Annotated[str | None, typer.Option("--chain", help="The chain that answers the question.")] = None,
    cron: Annotated[
        list[str] | None,
        typer.Option("--cron", metavar="EXPRESSION", help="'0 9 * * 1-5', '@daily'; may be repeated."),
    ] = None,
    calendar: Annotated[
        list[str] | None,
        typer.Option("--calendar", metavar="FIELDS", help="'hour=9-17 day_of_week=1-5'; may be repeated."),
    ] = None,
    every: Annotated[
        list[str] | None, typer.Option("--every", metavar="TIME", help="An interval: 6h, 1d; may be repeated.")
    ] = None,
    time_zone: Annotated[
        str | None, typer.Option("--time-zone", help="The time zone: Europe/Oslo (default: UTC).")
    ] = None,
    begins: Annotated[str | None, typer.Option("--begins", metavar="MOMENT", help="The earliest firing.")] = None,
    ends: Annotated[str | None, typer.Option("--ends", metavar="MOMENT", help="The latest firing.")] = None,
    jitter: Annotated[
        str | None, typer.Option("--jitter", metavar="TIME", help="The largest random delay of a firing.")
    ] = None,
    overlap: Annotated[
        Overlap, typer.Option("--overlap", help="What to do while the run before is still running.")
    ] = Overlap.SKIP,
    catch_up: Annotated[
        str, typer.Option("--catch-up", metavar="TIME", help="How late a missed firing may still start.")
    ] = "1h",
    by: options.StartedBy = None,
    requires: options.Requires = None,
    paused: Annotated[bool, typer.Option("--paused", help="Create it paused.")] = False,
    tenant: options.Tenant = "default",
    tier: options.Tier = None,
    dollars: options.Dollars = None,
    steps: options.Steps = None,
    tool_calls: options.ToolCalls = None,
    as_json: options.Json = False,
) -> None:
    """Create a schedule for an agent or a chain. Each run is named NAME-<moment in UTC>."""
    mistakes = Mistakes()
    kind: type[AgentRequest | AskRequest] = AskRequest if agent is None else AgentRequest
    default = kind.model_fields["budget"].default
    limits = mistakes.read(
        lambda: budget(default, dollars=dollars, steps=steps, tool_calls=tool_calls, until=None), default
    )
    task_or_question = mistakes.read(lambda: words(text, "text"), UNREAD)
    what = (
        {"question": task_or_question, "chain": UNNAMED if chain is None else chain}
        if agent is None
        else {
            "task": task_or_question,
            "agent": agent,
            "started_by": mistakes.read(lambda: name_of(by), ""),
            "requires": tuple(requires or ()),
        }
    )
    if agent is None and requires:
        mistakes.note("--requires: a chain writes nothing: leave it out, or name an agent")
    if (agent is None) == (chain is None):
        mistakes.note("say what to start: either --agent NAME or --chain NAME")
    request = mistakes.read(lambda: kind.strictly({**what, "tenant": tenant, "tier": tier, "budget": limits}), None)
    times: dict[str, Any] = {
        "cron": tuple(cron or ()),
        "calendars": tuple(mistakes.read(lambda one=one: _calendar(one), Calendar()) for one in calendar or ()),
        "every": tuple(mistakes.read(lambda one=one: span(one, "--every"), DAY) for one in every or ()),
        "time_zone": time_zone,
        "begins": None if begins is None else mistakes.read(lambda: moment(begins, "--begins"), None),
        "ends": None if ends is None else mistakes.read(lambda: moment(ends, "--ends"), None),
    }
    if jitter is not None:
        times["jitter"] = mistakes.read(lambda: span(jitter, "--jitter"), timedelta(0))
    timetable = mistakes.read(lambda: Timetable.strictly(times), None)
    late = mistakes.read(lambda: span(catch_up, "--catch-up"), timedelta(0))
    mistakes.stop()
    if request is None or timetable is None:
        raise AssertionError("a mistake was noted")
    session, out = session_of(context), Output(as_json=as_json)

    async def do(platform: Any) -> ScheduleStatus:
        await platform.schedules.create(name, request, timetable, overlap=overlap, catch_up=late, paused=paused)
        return await platform.schedules.status(name, tenant=tenant)

    _print(out, session.work(do))


@schedule.command("list")
def list_schedules(
    context: typer.Context,
    *,
    tenant: options.Tenant = "default",
    every_tenant: Annotated[bool, typer.Option("--every-tenant", help="List those of all tenants.")] = False,
    as_json: options.Json = False,
) -> None:
    """List schedules, with what they start and their next firing."""
    out, whose = Output(as_json=as_json), None if every_tenant else tenant
    schedules = session_of(context).work(lambda platform: platform.schedules.list(tenant=whose))
    if as_json:
        out.json(schedules)
        return
    out.rows(
        ("schedule", "starts", "next", "last", "note"),
        (
            (
                one.name if whose else f"{one.tenant}:{one.name}",
                f"{one.kind} {one.agent or ''}",
                "paused" if one.paused else _next(one),
                one.recent[-1].business_id if one.recent else "",
                one.note,
            )
            for one in schedules
        ),
    )


@schedule.command("show")
def show(
    context: typer.Context, name: Name, *, tenant: options.Tenant = "default", as_json: options.Json = False
) -> None:
    """Show the status of a schedule, and the last runs that it started."""
    status = session_of(context).work(lambda platform: platform.schedules.status(name, tenant=tenant))
    _print(Output(as_json=as_json), status)


@schedule.command("pause")
def pause(
    context: typer.Context,
    name: Name,
    *,
    tenant: options.Tenant = "default",
    by: options.By = None,
    reason: options.Reason = "",
    as_json: options.Json = False,
) -> None:
    """Pause a schedule: it starts nothing until it is resumed. Running runs go on."""
    note = f"paused by {name_of(by)}" + (f": {reason}" if reason else "")
    session_of(context).work(lambda platform: platform.schedules.pause(name, tenant=tenant, note=note))
    _did(Output(as_json=as_json), name, f"{name} is {note}", paused=True)


@schedule.command("resume")
def resume(
    context: typer.Context,
    name: Name,
    *,
    tenant: options.Tenant = "default",
    by: options.By = None,
    as_json: options.Json = False,
) -> None:
    """Resume a schedule from its next firing. Missed firings are not made up for."""
    note = f"resumed by {name_of(by)}"
    session_of(context).work(lambda platform: platform.schedules.resume(name, tenant=tenant, note=note))
    _did(Output(as_json=as_json), name, f"{name} goes on", paused=False)


@schedule.command("trigger")
def trigger(
    context: typer.Context,
    name: Name,
    *,
    tenant: options.Tenant = "default",
    overlap: Annotated[
        Overlap | None, typer.Option("--overlap", help="What to do for this firing (default: the schedule's rule).")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Fire a schedule now, also where it is paused."""
    session_of(context).work(lambda platform: platform.schedules.trigger(name, tenant=tenant, overlap=overlap))
    _did(Output(as_json=as_json), name, f"{name} fires", triggered=True)


@schedule.command("delete")
def delete(
    context: typer.Context, name: Name, *, tenant: options.Tenant = "default", as_json: options.Json = False
) -> None:
    """Delete a schedule. The runs that it started go on."""
    session_of(context).work(lambda platform: platform.schedules.delete(name, tenant=tenant))
    _did(Output(as_json=as_json), name, f"{name} is deleted", deleted=True)


def _calendar(typed: str) -> Calendar:
    fields = {name: value for name, _, value in (word.partition("=") for word in typed.split())}
    if not fields or not all(fields.values()):
        raise BadInput(f"--calendar: {typed!r} says no time: write 'hour=9-17 day_of_week=1-5'")
    return Calendar.strictly(fields)


def _next(one: ScheduleStatus) -> str:
    return f"{one.next_times[0]:%Y-%m-%d %H:%M:%S %Z}" if one.next_times else "never"


def _print(out: Output, status: ScheduleStatus) -> None:
    if out.as_json:
        out.json(status)
        return
    overlap = status.overlap.value if status.overlap else "?"
    out.say(f"{status.name}  {status.kind} {status.agent or ''}  next {_next(status)}  overlap {overlap}")
    if status.paused or status.note:
        out.say(f"  {'paused' if status.paused else 'running'}{f': {status.note}' if status.note else ''}")
    out.say(*(f"  started {firing.business_id}  {ago(firing.started)}" for firing in status.recent))


def _did(out: Output, name: str, line: str, **more: Any) -> None:
    if out.as_json:
        out.json({"schedule": name, **more})
    else:
        out.say(line)
