"""What an agent's long runs leave in their histories: bytes of each step, of each execution, and of all together."""

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from temporalio.client import Client, WorkflowHistory

from deploy.testing.stub.replies import Json
from perdure.client import Platform
from tests.bench.agents.agent import SHAPES, Shape, answered
from tests.bench.agents.contenders import GUARDED, SPEC, AskAgent, platform
from tests.bench.agents.notes_model import NotesModel
from tests.bench.contenders import TENANT, Running, serving
from tests.bench.report import Row, verdict
from tests.bench.rounds import cpu_seconds
from workflows.effects import COMPACT, THINK

EARLY = 200
"""Events. With such a limit a run of some hundred steps goes on anew every few dozen."""

LONG = Shape("300 model calls on 40 KB", 300, 40_000)
LONGER = Shape("1,000 model calls on 40 KB", 1000, 40_000)


@dataclass(frozen=True)
class Series:
    """What runs on one server, one run after the other."""

    title: str
    spec: str
    """The agent's file."""
    limit: int | None
    """Events after which it suggests a new execution; None for its own limits."""
    shapes: tuple[Shape, ...]


SERIES = tuple(
    Series(f"{guards}, {after}", spec, limit, shapes)
    for guards, spec in (("no guards", SPEC), ("guards of results", GUARDED))
    for after, limit, shapes in (
        ("the server's limits", None, (LONG, LONGER)),
        (f"a limit of {EARLY} events", EARLY, (LONG,)),
    )
)

PATIENCE = 900.0
"""Seconds. The stub is sent the whole conversation with every call, so that the later steps take longer."""

QUARTERS = 4

METHOD = (
    "Long runs: the agent of the part `agent`, on the platform alone, with a model whose window holds the whole "
    "conversation; and the same agent with the guards of results that an agent has where its file names none, stubbed "
    "to find nothing, at once: then its tool is an activity and no local one. The server suggests a new execution "
    f"after its own limits, 4,096 events or 4 MB, as in production; and once after {EARLY} events, to show what going "
    "on anew costs.\n"
    "Bytes of an execution are the server's count. Bytes of a step are those of its events, as they are sent: from one "
    "thought's event to the next one's, whatever lies between, the end of an execution and the beginning of a new one "
    "too: `anew` counts these. CPU, of worker and server, and time are measured from call to call of the model; every "
    "call sends the whole conversation over HTTP, so that they grow with it whatever the history does."
)

ROWS = (
    Row("flat", "bytes a step, dearest quarter / first", "<= 1.10", at_most=1.1),
    Row("total", "history, all executions, MB", "< 10", at_most=10.0),
    Row("largest", "largest execution, MB", "< 5", at_most=5.0),
)


class WatchedModel(NotesModel):
    """Says when it is called, before it answers."""

    def __init__(self) -> None:
        super().__init__()
        self.told: Callable[[], None] = lambda: None

    def count(self, request: Json) -> object:
        reply = super().count(request)
        self.told()
        return reply


@dataclass(frozen=True)
class Moment:
    """What had been used at one moment, in seconds."""

    worker: float
    server: float
    clock: float

    @classmethod
    def of(cls, one: Running[AskAgent]) -> "Moment":
        """Now."""
        return cls(cpu_seconds(one.worker), cpu_seconds(one.server), time.perf_counter())


@dataclass(frozen=True)
class Execution:
    """One of a run's histories."""

    bytes: int
    """As the server counts it."""
    events: int
    thoughts: int
    compactions: int
    begun: int
    """Bytes of its first event, which carries its input: the task, or what the execution before hands over."""


@dataclass(frozen=True)
class LongRun:
    """What was measured of one run."""

    executions: Sequence[Execution]
    anew: Sequence[int]
    """The steps in which a new execution began, from 0."""
    beginning: int
    """Bytes of events before the first thought."""
    steps: Sequence[int]
    """Bytes of each step's events."""
    closing: int
    """Bytes of the last event, which carries the result: the last step's too."""
    moments: Sequence[Moment]
    """At the beginning of each quarter, and at the end."""

    @property
    def parts(self) -> list[slice]:
        """The steps of each quarter."""
        bounds = quarters(len(self.steps))
        return [slice(*bound) for bound in itertools.pairwise(bounds)]

    @property
    def flat(self) -> float:
        """A step's bytes in the quarter where they are most by those in the first."""
        each = [_mean(self.steps[part]) for part in self.parts]
        return max(each) / each[0]

    @property
    def total(self) -> float:
        """MB of all executions."""
        return sum(one.bytes for one in self.executions) / 1e6

    @property
    def largest(self) -> float:
        """MB."""
        return max(one.bytes for one in self.executions) / 1e6


def quarters(count: int) -> list[int]:
    """Where each quarter of so many steps begins, and where the last one ends."""
    return [count * part // QUARTERS for part in range(QUARTERS + 1)]


def calls() -> int:
    """How often `done` is told."""
    return sum(shape.calls for series in SERIES for shape in series.shapes)


def long_runs(console: Console, folder: Path, done: Callable[[], None]) -> None:
    """Measure and print. On two cores it takes five to ten minutes."""
    console.print(METHOD)
    with WatchedModel() as model:
        for number, series in enumerate(SERIES):
            contender = platform("platform", model.url, folder / f"long-agent-{number}", series.spec)
            with serving(contender, folder / f"long-{number}", continue_after=series.limit) as one:
                asyncio.run(_series(console, one, model, series, done))


async def _series(
    console: Console, one: Running[AskAgent], model: WatchedModel, series: Series, done: Callable[[], None]
) -> None:
    ask, client = await one.contender.asker(one.address)
    for number in range(3):
        await answered(ask, f"warm-up-{number}", SHAPES[0])
    for shape in series.shapes:
        moments = await _watched(one, ask, model, shape, done)
        run = await _read(client, _name(shape), moments)
        _print(console, f"{shape.title}, {series.title}", run)
    # A process that ends right after its last call to Temporal may crash in the interpreter's exit.
    await asyncio.sleep(0.05)


async def _watched(
    one: Running[AskAgent], ask: AskAgent, model: WatchedModel, shape: Shape, done: Callable[[], None]
) -> list[Moment]:
    """Make the run, and say what had been used at the beginning of each quarter and at the end."""
    moments: list[Moment] = []
    begun, turning = model.calls, set(quarters(shape.calls)[:-1])

    def told() -> None:
        if model.calls - begun - 1 in turning:
            moments.append(Moment.of(one))
        done()

    model.told = told
    await answered(ask, _name(shape), shape, PATIENCE)
    model.told = lambda: None
    return [*moments, Moment.of(one)]


async def _read(client: Client, name: str, moments: Sequence[Moment]) -> LongRun:
    histories = await Platform(client).executions(name, tenant=TENANT)
    executions: list[Execution] = []
    anew: list[int] = []
    sizes = [0]
    for history in histories:
        found = _names(history)
        seen = await client.get_workflow_handle(history.workflow_id, run_id=history.run_id).describe()
        executions.append(
            Execution(
                bytes=seen.raw_description.workflow_execution_info.history_size_bytes,
                events=len(history.events),
                thoughts=found.count(THINK.name),
                compactions=found.count(COMPACT.name),
                begun=history.events[0].ByteSize(),
            )
        )
        if history is not histories[0]:
            anew.append(len(sizes) - 2)
        for event, scheduled in zip(history.events, found, strict=True):
            if scheduled == THINK.name:
                sizes.append(0)
            sizes[-1] += event.ByteSize()
    return LongRun(
        executions=executions,
        anew=anew,
        beginning=sizes[0],
        steps=sizes[1:],
        closing=histories[-1].events[-1].ByteSize(),
        moments=moments,
    )


def _name(shape: Shape) -> str:
    return f"long-{shape.calls}"


def _names(history: WorkflowHistory) -> list[str]:
    """For each event the name of the activity that it schedules; empty for other events."""
    return [event.activity_task_scheduled_event_attributes.activity_type.name for event in history.events]


def _print(console: Console, title: str, run: LongRun) -> None:
    found = _table(f"Long run, {title}", "execution", "events", "thoughts", "sums", "bytes", "of these its beginning")
    for number, one in enumerate(run.executions, start=1):
        figures = (one.events, one.thoughts, one.compactions, one.bytes, one.begun)
        found.add_row(str(number), *(f"{figure:,}" for figure in figures))
    console.print(found)

    found = _table("Each of its steps", "steps", "anew", "bytes", "CPU, ms", "worker", "server", "wall, ms")
    for number, part in enumerate(run.parts):
        steps = run.steps[part]
        before, after = run.moments[number], run.moments[number + 1]
        worker, server, wall = (
            (getattr(after, metric) - getattr(before, metric)) * 1000 / len(steps)
            for metric in ("worker", "server", "clock")
        )
        figures = (worker + server, worker, server, wall)
        found.add_row(
            f"{part.start + 1:,} to {part.stop:,}",
            str(sum(part.start <= step < part.stop for step in run.anew)),
            f"{_mean(steps):,.0f}",
            *(f"{figure:,.1f}" for figure in figures),
        )
    console.print(found)

    found = _table("", "", "found", "aim")
    for row in ROWS:
        figure = getattr(run, row.metric)
        found.add_row(row.title, f"{figure:.2f}", f"{row.aim} {verdict(row, figure)}")
    found.add_row("before the first thought, bytes", f"{run.beginning:,}", "")
    found.add_row("the last event, which carries the result, bytes", f"{run.closing:,}", "")
    found.add_row("from the first call to the end, s", f"{run.moments[-1].clock - run.moments[0].clock:.0f}", "")
    console.print(found)


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title or None)
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="left" if name == "aim" else "right")
    return table


def _mean(steps: Sequence[int]) -> float:
    return sum(steps) / len(steps)
