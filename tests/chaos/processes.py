"""The processes of a trial: workers that are killed for real, and the stub model that counts what is bought."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx

from activities.settings import ROOT
from deploy.local.parts import Part
from tests.chaos.standby import STANDING_BY
from tests.support.waiting import until

WARM_SECONDS = 120.0
"""How long a worker may take to import its libraries on a busy machine."""


class Worker:
    """One worker process: it imports, stands by, serves, and is killed."""

    def __init__(self, log: Path, environment: Mapping[str, str]) -> None:
        """Start it; it stands by some seconds later."""
        self._log = log
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.standby"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
            )

    async def stand_by(self) -> None:
        """Wait until it has imported everything."""
        await until(lambda: self._said(STANDING_BY), what="the worker stands by", seconds=WARM_SECONDS)

    def serve(self) -> None:
        """Let it connect and serve."""
        pipe = self._process.stdin
        assert pipe is not None
        pipe.write(b"serve\n")
        pipe.flush()

    async def serving(self) -> None:
        """Wait until it polls its task queues."""
        await until(lambda: self._said("ready:"), what="the worker serves", seconds=WARM_SECONDS)

    def kill(self) -> float:
        """End it as a power cut would; returns the moment, by the monotonic clock."""
        self._process.send_signal(signal.SIGKILL)
        killed = time.monotonic()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        return killed

    def _said(self, beginning: str) -> bool:
        lines = self._log.read_text(errors="replace").splitlines()
        code = self._process.poll()
        assert code is None, f"the worker ended by itself with {code}: " + " | ".join(lines[-8:])
        return any(line.startswith(beginning) for line in lines)


class Stub:
    """The stub model in a process of its own: it outlives every worker, and its file is the bill."""

    def __init__(self, folder: Path) -> None:
        """Start it and wait until it answers."""
        self._calls = folder / "calls"
        self._calls.touch()
        log = folder / "stub.log"
        command = [sys.executable, "-m", "tests.support.stub_model", "--port", "0", "--calls", str(self._calls)]
        ready: Callable[[], bool] = lambda: log.read_text().startswith("ready")  # noqa: E731 - typed for the part
        self._part = Part("the stub model", command, log=log, ready=ready, environment={})
        self._part.begin(lambda _: None)
        port = int(log.read_text().split()[1])
        self._address = f"http://127.0.0.1:{port}"
        self.url = f"{self._address}/v1"

    def script(self, *items: object) -> None:
        """What the next calls meet."""
        body = json.dumps(items)
        httpx.post(f"{self._address}/script", content=body, trust_env=False).raise_for_status()

    def calls(self) -> list[float]:
        """When each call came, in seconds since the epoch, counted before anything was answered."""
        return [float(line) for line in self._calls.read_text().splitlines()]

    def stop(self) -> None:
        """Stop it."""
        self._part.end()
