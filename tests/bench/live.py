"""The chain in this process with a stub model over HTTP: the cost of guards, and the time to stop a refused run."""

import asyncio
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from temporalio.testing import WorkflowEnvironment

from activities.adapters.telemetry import log_events
from activities.interceptors.every_effect import CANCEL_SEEN_AFTER
from activities.ports import Guards
from activities.settings import Model, Paths, Settings, Telemetry, quiet_libraries
from deploy.local.commands.index import index_folder
from deploy.local.stack.temporal import DYNAMIC_CONFIG
from perdure.client import Platform
from perdure.contracts.runs.run import Answered, Refused, RunResult
from perdure.contracts.temporal.search_attributes import SEARCH_ATTRIBUTES
from tests.bench import paired
from tests.bench.stub_ports import StubGuards
from tests.conftest import DOCUMENTS, KNOWN
from tests.support.faults.held_guards import HeldGuards
from tests.support.servers.stub_model import StubModel
from tests.support.servers.temporal import TEMPORAL
from tests.support.waiting import until
from worker import Adapters, WorkerRole, workers
from workflows.plugin import PerdurePlugin

QUESTION = "How many weeks of parental leave are paid in full?"
REFUSED = f'{QUESTION} aws_secret = "AKIAIOSFODNN7EXAMPLE"'
MODEL_SECONDS = 0.5

METHOD = (
    "Live: server, workers of all roles and client share this machine, workers and client this process; the model is a "
    "stub behind HTTP, guards, store, embedder and logs are the real ones. Each figure is of runs one after another."
)


class BenchParts(Adapters):
    """The platform's own adapters, with guards that can be replaced or held back."""

    held: HeldGuards
    stub_guards: Guards | None = None

    def guard_library(self) -> Guards:
        self.held = HeldGuards(super().guard_library() if self.stub_guards is None else self.stub_guards)
        self.held.let_go.set()
        return self.held


class NoGuards(BenchParts):
    """Adapters with guards that find nothing, at once."""

    stub_guards = StubGuards()


@dataclass(frozen=True)
class Live:
    """A running platform and its stub model."""

    platform: Platform
    stub: StubModel
    parts: BenchParts
    address: str
    """The Temporal server's host and port."""


@asynccontextmanager
async def living(kind: type[BenchParts]) -> AsyncGenerator[Live]:
    """Start a server, an index, a stub model and workers, and stop them at the end of the context."""
    quiet_libraries()
    log_events("warning")  # a log line for each effect would break the progress bar
    async with AsyncExitStack() as stack:
        state = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="perdure-bench-")))
        stub = stack.enter_context(StubModel(0))
        endpoints = {"fast": stub.url, "strong": stub.url}
        settings = Settings(
            paths=Paths(state=state), model=Model(endpoints=endpoints), telemetry=Telemetry(traces=False)
        )
        documents = state / "documents"
        documents.mkdir()
        for name in KNOWN:
            shutil.copy(DOCUMENTS / name, documents)
        await index_folder(documents, settings, tenant="default", collection="handbook")
        environment = await stack.enter_async_context(
            await WorkflowEnvironment.start_local(
                plugins=[PerdurePlugin()],
                search_attributes=SEARCH_ATTRIBUTES,
                dev_server_existing_path=str(TEMPORAL),
                dev_server_extra_args=[part for value in DYNAMIC_CONFIG for part in ("--dynamic-config-value", value)],
                dev_server_log_level="error",
            )
        )
        parts = await kind.open(settings, stack)
        for worker in workers(environment.client, settings, parts, list(WorkerRole)):
            await stack.enter_async_context(worker)
        live = Live(Platform(environment.client), stub, parts, environment.client.service_client.config.target_host)
        for _ in range(3):  # the first runs load modules
            require(await live.platform.ask(QUESTION), Answered)
        yield live


async def refusals(console: Console, runs: int, advance: Callable[[], None]) -> None:
    """Measure the time from the verdict until the provider sees its socket closed, and print."""
    waits: list[float] = []
    draw = random.Random(1)  # noqa: S311 - a moment, not a secret
    async with living(BenchParts) as live:
        for _ in range(runs):
            live.parts.held.let_go.clear()
            live.stub.script, live.stub.closed[:] = ["hang"], []
            live.stub.called.clear()
            run = await live.platform.start(REFUSED)
            await asyncio.to_thread(live.stub.called.wait, 30)
            # Heartbeats come at a fixed pace: a verdict at a fixed moment would always wait equally long.
            await asyncio.sleep(draw.uniform(0, CANCEL_SEEN_AFTER.total_seconds()))
            verdict = time.time()
            live.parts.held.let_go.set()
            require(await live.platform.result(run), Refused)
            await until(lambda: bool(live.stub.closed), what="the socket closes", every=0.005)
            waits.append((live.stub.closed[0] - verdict) * 1000)
            advance()
    table = Table(title=f"Refusal, from the verdict to the provider's closed socket: {runs} runs")
    for title in ("p50, ms", "p95, ms"):
        table.add_column(title, justify="right")
    table.add_row(f"{statistics.median(waits):.0f}", f"{paired.p95(waits):.0f}")
    console.print(table)


async def guards_on_and_off(console: Console, pairs: int, advance: Callable[[], None]) -> None:
    """Measure whole runs with the handbook's guards and with empty guards, in turn, with a model of 500 ms."""
    on: list[float] = []
    off: list[float] = []
    async with living(BenchParts) as real, living(NoGuards) as none:
        for pair in range(pairs):
            sides = ((real, on), (none, off))
            for live, milliseconds in sides if pair % 2 else reversed(sides):
                live.stub.script = [{"seconds": MODEL_SECONDS}]
                start = time.perf_counter()
                result = await live.platform.ask(QUESTION)
                milliseconds.append((time.perf_counter() - start) * 1000)
                require(result, Answered)
            advance()
    paired.compare(console, f"Guards on and off, a model of {MODEL_SECONDS:g} s: {pairs} pairs", {"on": on, "off": off})


def require(result: RunResult, kind: type[Answered | Refused]) -> None:
    """Raise `TypeError` for a run with another outcome, which is no measurement."""
    if not isinstance(result.outcome, kind):
        raise TypeError(f"the run was not {kind.__name__.lower()}: {result.outcome!r}")
