"""Interleaved rounds: every contender in turn, in changing order, so that a busy machine affects all alike.

Turns are short: other load on the machine changes from minute to minute, and a ratio compares one round.
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
"""The runs in each round that are made one after the other."""
IN_FLIGHT = 16
TOGETHER = 32
"""The runs in each round with `IN_FLIGHT` at the same time."""
PATIENCE = 60.0
"""The seconds after which a run counts as hanging: an unexpected error suspends a run instead of failing it."""
WARM_UP = 8
"""The runs before the first round, which are not counted."""


@dataclass(frozen=True)
class Round:
    """The figures of one contender in one round."""

    latencies: tuple[float, ...]
    """The milliseconds from the start of each run to its result, one run at a time."""
    runs: float
    """The runs per second, with `IN_FLIGHT` at the same time."""
    worker: float
    """The worker process's CPU time for each run, in milliseconds, one run at a time."""
    server: float
    """The Temporal server's CPU time for each run, in milliseconds, one run at a time."""
    bytes: float
    """The mean size of a run's history, as the server counts it."""
    events: float

    @property
    def p50(self) -> float:
        """The median latency, in milliseconds. A round has too few runs for a p95 of its own."""
        return statistics.median(self.latencies)


def p95(rounds: Sequence[Round]) -> float:
    """Return the 95th percentile of the latencies of all rounds, in milliseconds."""
    latencies = [latency for measured in rounds for latency in measured.latencies]
    return statistics.quantiles(latencies, n=20, method="inclusive")[-1]


async def compete(running: Sequence[Running[Ask]], rounds: int, advance: Callable[[], None]) -> dict[str, list[Round]]:
    """Run all rounds; `advance` is called after each contender's turn."""
    askers = {one.contender.name: await one.contender.asker(one.address) for one in running}
    for one in running:
        ask, _ = askers[one.contender.name]
        await asyncio.gather(*(_milliseconds(ask, f"warm-up-{number}") for number in range(WARM_UP)))
    rounds_by_contender: dict[str, list[Round]] = {one.contender.name: [] for one in running}
    for turn in range(rounds):
        start = turn % len(running)
        for one in (*running[start:], *running[:start]):
            ask, client = askers[one.contender.name]
            rounds_by_contender[one.contender.name].append(await _round(one, ask, client, f"round-{turn}"))
            advance()
    # A process that ends right after its last call to Temporal may crash when the interpreter exits.
    await asyncio.sleep(0.05)
    return rounds_by_contender


async def _round(one: Running[Ask], ask: Ask, client: Client, prefix: str) -> Round:
    worker, server = cpu_seconds(one.worker), cpu_seconds(one.server)
    latencies = [await _milliseconds(ask, f"{prefix}-one-{number}") for number in range(SEQUENTIAL)]
    worker, server = cpu_seconds(one.worker) - worker, cpu_seconds(one.server) - server

    slots = asyncio.Semaphore(IN_FLIGHT)

    async def among_others(name: str) -> None:
        async with slots:
            await _milliseconds(ask, name)

    start = time.perf_counter()
    await asyncio.gather(*(among_others(f"{prefix}-together-{number}") for number in range(TOGETHER)))
    seconds = time.perf_counter() - start

    names = [one.contender.run_id(f"{prefix}-one-{number}") for number in range(SEQUENTIAL)]
    descriptions = [await client.get_workflow_handle(name).describe() for name in names]
    histories = [description.raw_description.workflow_execution_info for description in descriptions]
    return Round(
        latencies=tuple(latencies),
        runs=TOGETHER / seconds,
        worker=worker / SEQUENTIAL * 1000,
        server=server / SEQUENTIAL * 1000,
        bytes=statistics.fmean(history.history_size_bytes for history in histories),
        events=statistics.fmean(history.history_length for history in histories),
    )


async def _milliseconds(ask: Ask, name: str) -> float:
    start = time.perf_counter()
    try:
        async with asyncio.timeout(PATIENCE):
            await ask(name)
    except TimeoutError:
        raise DeployError(f"the run {name!r} hangs: was the code edited under its worker?") from None
    return (time.perf_counter() - start) * 1000


def cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU seconds of a process so far, in user mode and in the kernel."""
    times = process.cpu_times()
    return times.user + times.system
