"""The cost of an agent's step beside the leanest loop on the bare SDK: CPU, history and time, as ratios."""

import asyncio
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from temporalio.client import Client

from deploy.processes.errors import DeployError
from tests.bench.agents.contenders import AskAgent, NoAnswer, loop, platform
from tests.bench.agents.notes_model import ANSWER, NotesModel, task
from tests.bench.contenders import Running, serving
from tests.bench.report import Row, ratios, verdict
from tests.bench.rounds import cpu_seconds

WHOLE, LEAN, LITELLM, PLATFORM = "whole list", "lean", "lean, LiteLLM", "platform"

COMPARED = ((PLATFORM, LEAN), (PLATFORM, LITELLM), (LITELLM, LEAN), (WHOLE, LEAN))
"""The tables: a contender, and the one to which its ratios are."""

METHOD = (
    "Agent: every contender calls one stub model over HTTP (0 ms, in this process), which asks for one note of 400 "
    "bytes after the other; a step is a call of the model with the tool that it asks for.\n"
    f"{WHOLE}: all messages are the input of the model's activity, the tool is an activity. {LEAN}: messages lie in "
    "SQLite by digest, the model is an activity, the tool a local one; the model is called by bare httpx, unstreamed.\n"
    f"{LITELLM}: the same loop, its model called as LiteLLM's users call it, streamed and without retries. What it "
    "costs beside the other is the client that the platform is built on; the platform is aimed at the other all the "
    "same.\n"
    f"{PLATFORM}: all roles in one process, guards left out, spans off; the tool says that it is quick, so it runs "
    "as a local activity too. Blob store, saved replies, token log, budget and timeline are the real ones.\n"
    "Each has its own server (SQLite in WAL mode) and worker process. CPU is of these two, user and kernel. A ratio is "
    "to the second one, of one round: shown are the median of all rounds, the least and the greatest. The machine may "
    "be busy: compare ratios, not milliseconds."
)

PATIENCE = 300.0
"""The seconds after which a run counts as hanging."""


@dataclass(frozen=True)
class Shape:
    """The shape of the runs of one comparison."""

    title: str
    calls: int
    """The model calls of a run; all but the last one ask for a note."""
    size: int
    """The size of the task, in bytes."""
    runs: int = 1
    """The runs in each round, one after the other."""


SHAPES = (Shape("20 steps", 20, 200, runs=4), Shape("100 model calls, a task of 40 KB", 100, 40_000))
LONG = Shape("100 model calls, a task of 500 KB", 100, 500_000)


@dataclass(frozen=True)
class Turn:
    """The figures of one contender in one round."""

    worker: float
    """The worker process's CPU time for each step, in milliseconds."""
    server: float
    """The Temporal server's CPU time for each step, in milliseconds."""
    wall: float
    """The time for each step, in milliseconds."""
    bytes: float
    """The mean size of a run's history, as the server counts it."""
    events: float

    @property
    def cpu(self) -> float:
        """The CPU time of worker and server together."""
        return self.worker + self.server


ROWS = (
    Row("cpu", "CPU, ms a step", "<= 1.25", at_most=1.25),
    Row("worker", "  worker"),
    Row("server", "  server"),
    Row("bytes", "history, bytes a run", "<= 2.00", at_most=2.0),
    Row("events", "history, events a run"),
    Row("wall", "wall, ms a step"),
)


def steps(rounds: int) -> int:
    """Return how often `advance` is called."""
    return (rounds * len(SHAPES) + 1) * len({name for pair in COMPARED for name in pair})


def agent(console: Console, folder: Path, rounds: int, advance: Callable[[], None]) -> None:
    """Measure and print. A round takes about a third of a minute on two cores."""
    console.print(METHOD)
    with ExitStack() as stack:
        url = (model := stack.enter_context(NotesModel())).url
        contenders = (
            platform(PLATFORM, url, folder / "agent"),
            loop(LEAN, "lean", url),
            loop(LITELLM, "lean", url, "litellm_worker"),
            loop(WHOLE, "whole", url),
        )
        running = [
            stack.enter_context(serving(contender, folder / f"agent-{number}"))
            for number, contender in enumerate(contenders)
        ]
        asyncio.run(_compete(console, running, model, rounds, advance))


async def _compete(
    console: Console, running: Sequence[Running[AskAgent]], model: NotesModel, rounds: int, advance: Callable[[], None]
) -> None:
    askers = {one.contender.name: await one.contender.asker(one.address) for one in running}
    for one in running:
        ask, _ = askers[one.contender.name]
        for number in range(3):
            await answered(ask, f"warm-up-{number}", SHAPES[0])
    for index, shape in enumerate(SHAPES):
        turns_by_name: dict[str, list[Turn]] = {one.contender.name: [] for one in running}
        for turn in range(rounds):
            start = turn % len(running)
            for one in (*running[start:], *running[:start]):
                ask, client = askers[one.contender.name]
                turns_by_name[one.contender.name].append(await _turn(one, ask, client, f"shape-{index}-{turn}", shape))
                advance()
        for name, base in COMPARED:
            _compare(console, shape, turns_by_name, name, base)
    table = Table(title=LONG.title)
    for title in ("", "history, MB", "events", "model calls", "seconds", "ended"):
        table.add_column(title, justify="left" if title in ("", "ended") else "right", overflow="fold")
    for one in running:
        ask, client = askers[one.contender.name]
        table.add_row(one.contender.name, *await _long(one, ask, client, model))
        advance()
    console.print(table)
    # A process that ends right after its last call to Temporal may crash when the interpreter exits.
    await asyncio.sleep(0.05)


async def _turn(one: Running[AskAgent], ask: AskAgent, client: Client, prefix: str, shape: Shape) -> Turn:
    worker, server, start = cpu_seconds(one.worker), cpu_seconds(one.server), time.perf_counter()
    for number in range(shape.runs):
        await answered(ask, f"{prefix}-{number}", shape)
    per_step = 1000 / (shape.runs * shape.calls)
    wall = (time.perf_counter() - start) * per_step
    worker, server = (cpu_seconds(one.worker) - worker) * per_step, (cpu_seconds(one.server) - server) * per_step
    sizes = [await _history(one, client, f"{prefix}-{number}") for number in range(shape.runs)]
    length, events = (statistics.fmean(size) for size in zip(*sizes, strict=True))
    return Turn(worker=worker, server=server, wall=wall, bytes=length, events=events)


async def answered(ask: AskAgent, name: str, shape: Shape, patience: float = PATIENCE) -> None:
    """Make a run of this shape, and wait for its answer. Raises `NoAnswer` where it has none."""
    try:
        async with asyncio.timeout(patience):
            answer = await ask(name, task(shape.calls, shape.size, name))
    except TimeoutError:
        raise DeployError(f"the run {name!r} hangs: was the code edited under its worker?") from None
    if answer != ANSWER:
        raise NoAnswer(f"the run {name} answered {answer!r}")


async def _history(one: Running[AskAgent], client: Client, name: str) -> tuple[int, int]:
    """Return the bytes and the events of a run's history."""
    description = await client.get_workflow_handle(one.contender.run_id(name)).describe()
    info = description.raw_description.workflow_execution_info
    return info.history_size_bytes, info.history_length


async def _long(one: Running[AskAgent], ask: AskAgent, client: Client, model: NotesModel) -> tuple[str, ...]:
    """Make the long run, which may fail by the size of its history, and return its figures."""
    calls, start = model.calls, time.perf_counter()
    try:
        await answered(ask, "long", LONG)
        ending = "answered"
    except NoAnswer as error:
        ending = str(error)
    seconds = time.perf_counter() - start
    length, events = await _history(one, client, "long")
    return f"{length / 1e6:,.2f}", f"{events:,}", f"{model.calls - calls:,}", f"{seconds:.0f}", ending


def _compare(console: Console, shape: Shape, turns_by_name: Mapping[str, Sequence[Turn]], name: str, base: str) -> None:
    """Print one narrow table. The aims are the platform's, beside the lean loop."""
    turns, base_turns = turns_by_name[name], turns_by_name[base]
    has_aim = (name, base) == (PLATFORM, LEAN)
    table = Table(title=f"Agent, {shape.title}, {name}: {len(turns)} interleaved rounds")
    table.add_column("")
    for title in (name, base, "ratio", "least", "greatest"):
        table.add_column(title, justify="right")
    if has_aim:
        table.add_column("aim")
    for row in ROWS:
        figures = [statistics.median(getattr(turn, row.metric) for turn in side) for side in (turns, base_turns)]
        parts = ratios(turns, base_turns, row.metric)
        ratio = statistics.median(parts)
        table.add_row(
            row.title,
            *(f"{figure:,.1f}" for figure in figures),
            *(f"{part:.2f}" for part in (ratio, min(parts), max(parts))),
            *([f"{row.aim} {verdict(row, ratio)}".strip()] if has_aim else []),
        )
    console.print(table)
