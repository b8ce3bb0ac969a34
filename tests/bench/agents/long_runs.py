"""The histories of an agent's long runs: bytes of each step, of each execution, and of all together."""

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
"""A limit of events, by which a run of some hundred steps continues in a new execution every few dozen."""

LONG = Shape("300 model calls on 40 KB", 300, 40_000)
LONGER = Shape("1,000 model calls on 40 KB", 1000, 40_000)


@dataclass(frozen=True)
class Series:
    """The runs on one server, one after the other."""

    title: str
    spec: str
    """The agent's file."""
    limit: int | None
    """The events after which the server suggests a new execution; None for its default."""
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
"""The seconds after which a run hangs. Every call sends the whole conversation, so later steps take longer."""

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
    """A stub model that reports each call before it answers."""

    def __init__(self) -> None:
        super().__init__()
        self.on_call: Callable[[], None] = lambda: None

    def count(self, request: Json) -> object:
        reply = super().count(request)
        self.on_call()
        return reply


@dataclass(frozen=True)
class Moment:
    """The CPU and wall times at one moment, in seconds."""

    worker: float
    server: float
    clock: float

    @classmethod
    def of(cls, one: Running[AskAgent]) -> "Moment":
        """Return the times of now."""
        return cls(cpu_seconds(one.worker), cpu_seconds(one.server), time.perf_counter())


@dataclass(frozen=True)
class Execution:
    """The figures of one of a run's histories."""

    bytes: int
    """The size of the history, as the server counts it."""
    events: int
    thoughts: int
    compactions: int
    begun: int
    """The bytes of its first event with its input: the task, or the state from the previous execution."""


@dataclass(frozen=True)
class LongRun:
    """The figures of one run."""

    executions: Sequence[Execution]
    anew: Sequence[int]
    """The steps in which a new execution began, counted from 0."""
    beginning: int
    """The bytes of the events before the first thought."""
    steps: Sequence[int]
    """The bytes of each step's events."""
    closing: int
    """The bytes of the last event, which carries the result; the last step counts it too."""
    moments: Sequence[Moment]
    """The times at the beginning of each quarter, and at the end."""

    @property
    def parts(self) -> list[slice]:
        """The steps of each quarter."""
        bounds = quarters(len(self.steps))
        return [slice(*bound) for bound in itertools.pairwise(bounds)]

    @property
    def flat(self) -> float:
        """The ratio of a step's bytes in the largest quarter to those in the first."""
        means = [_mean(self.steps[part]) for part in self.parts]
        return max(means) / means[0]

    @property
    def total(self) -> float:
        """The size of all executions, in MB."""
        return sum(execution.bytes for execution in self.executions) / 1e6

    @property
    def largest(self) -> float:
        """The size of the largest execution, in MB."""
        return max(execution.bytes for execution in self.executions) / 1e6


def quarters(count: int) -> list[int]:
    """Return where each quarter of `count` steps begins, and where the last one ends."""
    return [count * part // QUARTERS for part in range(QUARTERS + 1)]


def calls() -> int:
    """Return how often `advance` is called."""
    return sum(shape.calls for series in SERIES for shape in series.shapes)


def long_runs(console: Console, folder: Path, advance: Callable[[], None]) -> None:
    """Measure and print. On two cores it takes five to ten minutes."""
    console.print(METHOD)
    with WatchedModel() as model:
        for number, series in enumerate(SERIES):
            contender = platform("platform", model.url, folder / f"long-agent-{number}", series.spec)
            with serving(contender, folder / f"long-{number}", continue_after=series.limit) as one:
                asyncio.run(_series(console, one, model, series, advance))


async def _series(
    console: Console, one: Running[AskAgent], model: WatchedModel, series: Series, advance: Callable[[], None]
) -> None:
    ask, client = await one.contender.asker(one.address)
    for number in range(3):
        await answered(ask, f"warm-up-{number}", SHAPES[0])
    for shape in series.shapes:
        moments = await _watched(one, ask, model, shape, advance)
        run = await _read(client, _name(shape), moments)
        _print(console, f"{shape.title}, {series.title}", run)
    # A process that ends right after its last call to Temporal may crash when the interpreter exits.
    await asyncio.sleep(0.05)


async def _watched(
    one: Running[AskAgent], ask: AskAgent, model: WatchedModel, shape: Shape, advance: Callable[[], None]
) -> list[Moment]:
    """Make the run, and return the times at the beginning of each quarter and at the end."""
    moments: list[Moment] = []
    calls_before, quarter_starts = model.calls, set(quarters(shape.calls)[:-1])

    def on_call() -> None:
        if model.calls - calls_before - 1 in quarter_starts:
            moments.append(Moment.of(one))
        advance()

    model.on_call = on_call
    await answered(ask, _name(shape), shape, PATIENCE)
    model.on_call = lambda: None
    return [*moments, Moment.of(one)]


async def _read(client: Client, name: str, moments: Sequence[Moment]) -> LongRun:
    histories = await Platform(client).executions(name, tenant=TENANT)
    executions: list[Execution] = []
    anew: list[int] = []
    sizes = [0]
    for history in histories:
        names = _names(history)
        description = await client.get_workflow_handle(history.workflow_id, run_id=history.run_id).describe()
        executions.append(
            Execution(
                bytes=description.raw_description.workflow_execution_info.history_size_bytes,
                events=len(history.events),
                thoughts=names.count(THINK.name),
                compactions=names.count(COMPACT.name),
                begun=history.events[0].ByteSize(),
            )
        )
        if history is not histories[0]:
            anew.append(len(sizes) - 2)
        for event, scheduled in zip(history.events, names, strict=True):
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
    """Return for each event the name of the activity that it schedules; empty for other events."""
    return [event.activity_task_scheduled_event_attributes.activity_type.name for event in history.events]


def _print(console: Console, title: str, run: LongRun) -> None:
    table = _table(f"Long run, {title}", "execution", "events", "thoughts", "sums", "bytes", "of these its beginning")
    for number, one in enumerate(run.executions, start=1):
        figures = (one.events, one.thoughts, one.compactions, one.bytes, one.begun)
        table.add_row(str(number), *(f"{figure:,}" for figure in figures))
    console.print(table)

    table = _table("Each of its steps", "steps", "anew", "bytes", "CPU, ms", "worker", "server", "wall, ms")
    for number, part in enumerate(run.parts):
        steps = run.steps[part]
        start, end = run.moments[number], run.moments[number + 1]
        worker, server, wall = (
            (getattr(end, metric) - getattr(start, metric)) * 1000 / len(steps)
            for metric in ("worker", "server", "clock")
        )
        figures = (worker + server, worker, server, wall)
        table.add_row(
            f"{part.start + 1:,} to {part.stop:,}",
            str(sum(part.start <= step < part.stop for step in run.anew)),
            f"{_mean(steps):,.0f}",
            *(f"{figure:,.1f}" for figure in figures),
        )
    console.print(table)

    table = _table("", "", "found", "aim")
    for row in ROWS:
        figure = getattr(run, row.metric)
        table.add_row(row.title, f"{figure:.2f}", f"{row.aim} {verdict(row, figure)}")
    table.add_row("before the first thought, bytes", f"{run.beginning:,}", "")
    table.add_row("the last event, which carries the result, bytes", f"{run.closing:,}", "")
    table.add_row("from the first call to the end, s", f"{run.moments[-1].clock - run.moments[0].clock:.0f}", "")
    console.print(table)


def _table(title: str, first: str, *titles: str) -> Table:
    table = Table(title=title or None)
    table.add_column(first)
    for name in titles:
        table.add_column(name, justify="left" if name == "aim" else "right")
    return table


def _mean(steps: Sequence[int]) -> float:
    return sum(steps) / len(steps)
