"""Interleaved rounds: every contender in turn, each time in another order, so that a busy machine hits all alike.

Turns are short: what else the machine does changes from minute to minute, and a ratio is of one round.
"""

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psutil
from temporalio.client import Client

from deploy.processes.errors import DeployError
from tests.bench.contenders import Ask, Running

SEQUENTIAL = 8
"""Runs one after the other, in each round."""
IN_FLIGHT = 16
TOGETHER = 32
"""Runs with `IN_FLIGHT` at the same time, in each round."""
PATIENCE = 60.0
"""Seconds. A run that takes longer hangs: an error that nobody foresaw suspends a run instead of failing it."""
WARM_UP = 8
"""Runs before the first round, which nobody counts."""


@dataclass(frozen=True)
class Round:
    """What one contender did in one round."""

    latencies: tuple[float, ...]
    """Milliseconds from the start of a run to its result, one run at a time."""
    runs: float
    """Runs a second, `IN_FLIGHT` at the same time."""
    worker: float
    """CPU milliseconds of the worker process for each run, one run at a time."""
    server: float
    """CPU milliseconds of the Temporal server for each run, one run at a time."""
    bytes: float
    """Size of a run's history, as the server counts it; the mean."""
    events: float

    @property
    def p50(self) -> float:
        """Milliseconds. A round has too few runs for a p95 of its own."""
        return statistics.median(self.latencies)


def p95(rounds: Sequence[Round]) -> float:
    """Milliseconds, of the runs of all rounds."""
    latencies = [latency for one in rounds for latency in one.latencies]
    return statistics.quantiles(latencies, n=20, method="inclusive")[-1]


async def compete(running: Sequence[Running[Ask]], rounds: int, done: Callable[[], None]) -> dict[str, list[Round]]:
    """Run all rounds; `done` is told after each contender's turn."""
    askers = {one.contender.name: await one.contender.asker(one.address) for one in running}
    for one in running:
        ask, _ = askers[one.contender.name]
        await asyncio.gather(*(_milliseconds(ask, f"warm-up-{number}") for number in range(WARM_UP)))
    found: dict[str, list[Round]] = {one.contender.name: [] for one in running}
    for turn in range(rounds):
        start = turn % len(running)
        for one in (*running[start:], *running[:start]):
            ask, client = askers[one.contender.name]
            found[one.contender.name].append(await _round(one, ask, client, f"round-{turn}"))
            done()
    # A process that ends right after its last call to Temporal may crash in the interpreter's exit.
    await asyncio.sleep(0.05)
    return found


async def _round(one: Running[Ask], ask: Ask, client: Client, prefix: str) -> Round:
    worker, server = cpu_seconds(one.worker), cpu_seconds(one.server)
    latencies = [await _milliseconds(ask, f"{prefix}-one-{number}") for number in range(SEQUENTIAL)]
    worker, server = cpu_seconds(one.worker) - worker, cpu_seconds(one.server) - server

    slots = asyncio.Semaphore(IN_FLIGHT)

    async def among_others(name: str) -> None:
        async with slots:
            await _milliseconds(ask, name)

    began = time.perf_counter()
    await asyncio.gather(*(among_others(f"{prefix}-together-{number}") for number in range(TOGETHER)))
    seconds = time.perf_counter() - began

    names = [one.contender.run_id(f"{prefix}-one-{number}") for number in range(SEQUENTIAL)]
    seen = [await client.get_workflow_handle(name).describe() for name in names]
    histories = [description.raw_description.workflow_execution_info for description in seen]
    return Round(
        latencies=tuple(latencies),
        runs=TOGETHER / seconds,
        worker=worker / SEQUENTIAL * 1000,
        server=server / SEQUENTIAL * 1000,
        bytes=statistics.fmean(history.history_size_bytes for history in histories),
        events=statistics.fmean(history.history_length for history in histories),
    )


async def _milliseconds(ask: Ask, name: str) -> float:
    began = time.perf_counter()
    try:
        async with asyncio.timeout(PATIENCE):
            await ask(name)
    except TimeoutError:
        raise DeployError(f"the run {name!r} hangs: was the code edited under its worker?") from None
    return (time.perf_counter() - began) * 1000


def cpu_seconds(process: psutil.Process) -> float:
    """What a process has used of the CPU so far, in user mode and in the kernel."""
    times = process.cpu_times()
    return times.user + times.system
