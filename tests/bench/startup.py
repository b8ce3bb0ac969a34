"""The time from a worker's start to its ready line, by role: it shows the cost of slow imports."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from activities.settings import ROOT, environment_with
from tests.bench.contenders import worker_environment

ROLES = ("workflows", "retrieval", "guards", "generation", "all")

FIRST = "all, nothing compiled"
"""The name of the first start after an installation, in which Python compiles every imported module."""


def times_to_ready(address: str, state: Path, repeats: int, advance: Callable[[], None]) -> dict[str, list[float]]:
    """Measure the seconds from exec to the ready line of `worker.py`, `repeats` times for each role, in turn."""
    first_start = _time_to_ready("all", address, state)
    advance()
    seconds_by_role: dict[str, list[float]] = {role: [] for role in ROLES}
    for _ in range(repeats):
        for role in ROLES:
            seconds_by_role[role].append(_time_to_ready(role, address, state))
            advance()
    return seconds_by_role | {FIRST: [first_start]}


def _time_to_ready(role: str, address: str, state: Path) -> float:
    environment = environment_with(**worker_environment(address, state))
    command: Sequence[str] = [sys.executable, str(ROOT / "worker.py"), "--role", role]
    with (state / f"start-{role}.log").open("w") as log:
        start = time.perf_counter()
        worker = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert worker.stdout is not None
            for line in worker.stdout:
                if line.startswith("ready"):
                    return time.perf_counter() - start
            raise RuntimeError(f"the worker of the role {role!r} ended before it was ready: see {log.name}")
        finally:
            worker.send_signal(signal.SIGTERM)
            worker.communicate()
