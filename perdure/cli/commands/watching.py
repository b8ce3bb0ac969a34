"""`perdure inbox --watch`: a line for each step that begins to wait, changes, or waits no longer."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from perdure.cli import steps
from perdure.cli.output import Output, one_line
from perdure.client import Platform
from perdure.contracts.contract import BadInput
from perdure.contracts.runs.timeline import EntryKind, EntryState
from perdure.contracts.tool_calls.decisions import InboxEntry
from perdure.errors import PlatformError

LEAST_PAUSE = 0.2
"""The shortest time between two looks, in seconds: each asks the server and a worker of every run."""

Key: TypeAlias = tuple[str, str, str]
"""The tenant, the run and the step; without a step where only a problem is known."""

What: TypeAlias = Literal["new", "changed", "gone"]


@dataclass(frozen=True)
class News:
    """One change of the inbox."""

    what: What
    entry: InboxEntry


def keyed(entries: Sequence[InboxEntry]) -> dict[Key, InboxEntry]:
    """Return the entries of an inbox by what they are about."""
    return {
        (entry.tenant, entry.business_id, entry.step.step if entry.step is not None else ""): entry for entry in entries
    }


def news(before: Mapping[Key, InboxEntry], after: Mapping[Key, InboxEntry]) -> list[News]:
    """Return what changed between two looks: what went first, then what is new or another one by now."""
    # While a run's worker does not answer, nothing is known of its steps: they are not gone.
    unknown = {(tenant, run) for tenant, run, step in after if not step}
    gone = [News("gone", entry) for key, entry in before.items() if key not in after and key[:2] not in unknown]
    come = [
        News("new" if key not in before else "changed", entry)
        for key, entry in after.items()
        if key not in before or _is_another(before[key], entry)
    ]
    return [*gone, *come]


def kept(before: Mapping[Key, InboxEntry], after: Mapping[Key, InboxEntry]) -> dict[Key, InboxEntry]:
    """Return what is known after a look: also the steps of a run whose worker did not answer this time."""
    unknown = {(tenant, run) for tenant, run, step in after if not step}
    return {**{key: entry for key, entry in before.items() if key[:2] in unknown}, **after}


def _is_another(before: InboxEntry, after: InboxEntry) -> bool:
    if before.step is None or after.step is None:
        return before.problem != after.problem
    return (before.step.digest, len(before.step.voices), before.step.since) != (
        after.step.digest,
        len(after.step.voices),
        after.step.since,
    )


async def follow(platform: Platform, out: Output, tenant: str | None, *, limit: int, pause: float, bell: bool) -> None:
    """Look at the inbox again and again, and print a line for each change, until the process is interrupted."""
    known: dict[Key, InboxEntry] = {}
    problem = ""
    if not out.as_json:
        out.note("watching the inbox: Ctrl-C ends it")
    while True:
        try:
            now = keyed(await platform.inbox(tenant, limit=limit))
        except BadInput:
            raise
        except PlatformError as error:
            if str(error) != problem:
                problem = str(error)
                out.note(f"{problem}: looking again every {pause:g} s")
        else:
            problem = ""
            for change in news(known, now):
                await _tell(platform, out, change, tenants=tenant is None, bell=bell)
            known = kept(known, now)
        await asyncio.sleep(pause)


async def _tell(platform: Platform, out: Output, change: News, *, tenants: bool, bell: bool) -> None:
    entry, at = change.entry, datetime.now(UTC)
    how = await _how(platform, entry) if change.what == "gone" else ""
    if out.as_json:
        out.json({"at": at.isoformat(), "news": change.what, "how": how, "entry": entry})
        return
    run = f"{entry.tenant}:{entry.business_id}" if tenants else entry.business_id
    words = [f"{at.astimezone():%H:%M:%S}", f"{change.what:<7}", run]
    if entry.step is None:
        words.append(how or entry.problem)
    else:
        words += [steps.line(entry.step)] if change.what != "gone" else [entry.step.step, entry.step.tool, how]
    if entry.step is not None and change.what != "gone":
        words.append(f"{steps.starter(entry.step)}, {steps.deciders(entry.step)}, digest {steps.short(entry.step)}")
    out.say(one_line("  ".join(words)))
    if bell and change.what == "new" and sys.stderr.isatty():
        sys.stderr.write("\a")
        sys.stderr.flush()


async def _how(platform: Platform, entry: InboxEntry) -> str:
    """Return how a step came to wait no longer: who decided it, or what became of its run."""
    step = "" if entry.step is None else entry.step.step
    decided = ""
    try:
        async for happened in platform.timeline(entry.business_id, tenant=entry.tenant):
            if happened.kind is EntryKind.PERSON and happened.summary == step and happened.state is EntryState.DONE:
                decided = f"{happened.name}, {happened.found}"
        status = await platform.status(entry.business_id, tenant=entry.tenant)
    except PlatformError as error:
        return str(error)
    if decided or status.state != "running":
        return decided or f"the run is over ({status.outcome or status.state})"
    return "decided without a person, or not asked any more"
