"""The processes of a trial: workers and a server that are killed for real, and the stub model that counts its calls."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import httpx

from activities.settings import ROOT
from deploy.local import temporal
from deploy.local.parts import Part
from deploy.local.ports import HOST
from tests.chaos.standby import STANDING_BY
from tests.support.waiting import until

WARM_SECONDS = 120.0
"""How long imports and connecting may take on a busy machine."""


class Nursery:
    """The process that workers are forked from, with everything imported."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        """Start it. The first worker waits for its imports."""
        self._folder = folder
        self._born = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.standby"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )

    def bear(self) -> "Worker":
        """A new worker, which stands by soon."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._born += 1
        log = self._folder / f"worker-{self._born:03}.log"
        log.touch()
        print(log, file=self._process.stdin, flush=True)
        said = self._process.stdout.readline()
        assert said, f"the process that forks workers ended with {self._process.wait()}"
        return Worker(int(said), log)

    def close(self) -> None:
        """End it, and with it every worker that is left."""
        self._process.kill()
        self._process.communicate()


class Worker:
    """One worker process: it stands by, serves, and is killed."""

    def __init__(self, pid: int, log: Path) -> None:
        self._pid = pid
        self._log = log

    async def stand_by(self) -> None:
        """Wait until it has nothing more to import."""
        await until(lambda: self._said(STANDING_BY), what="the worker stands by", seconds=WARM_SECONDS)

    def serve(self) -> None:
        """Let it connect and serve."""
        os.kill(self._pid, signal.SIGUSR1)

    async def serving(self) -> None:
        """Wait until it polls its task queues."""
        await until(lambda: self._said("ready:"), what="the worker serves", seconds=WARM_SECONDS)

    async def kill(self) -> float:
        """End it as a power cut would; returns the moment, by the monotonic clock."""
        os.kill(self._pid, signal.SIGKILL)
        killed = time.monotonic()
        await until(lambda: not self._lives(), what="the worker is gone", every=0.002)
        return killed

    def _said(self, beginning: str) -> bool:
        lines = self._log.read_text(errors="replace").splitlines()
        assert self._lives(), "the worker ended by itself: " + " | ".join(lines[-8:])
        return any(line.startswith(beginning) for line in lines)

    def _lives(self) -> bool:
        with suppress(ProcessLookupError):
            os.kill(self._pid, 0)
            return True
        return False


class Stub:
    """The stub model in a process of its own: it outlives every worker, and its file is the bill."""

    def __init__(self, folder: Path) -> None:
        """Start it and wait until it answers."""
        self._calls = folder / "calls"
        self._calls.touch()
        log = folder / "stub.log"

        def ready() -> bool:
            return log.read_text().startswith("ready")

        command = [sys.executable, "-m", "tests.support.stub_model", "--port", "0", "--calls", str(self._calls)]
        self._part = Part("the stub model", command, log=log, ready=ready, environment={})
        self._part.begin(_unheard)
        self._address = f"http://{HOST}:{int(log.read_text().split()[1])}"
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


class Server:
    """The Temporal server, which can be killed too, and comes back on the same file and port."""

    def __init__(self, folder: Path, port: int, ui_port: int) -> None:
        """Start it, and wait until it is ready."""
        self._folder = folder
        self._ports = (port, ui_port)
        self._pid: int | None = None
        self.address = f"{HOST}:{port}"
        self._part = self._begun()

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self._pid is not None
        os.kill(self._pid, signal.SIGKILL)
        self._part.end()

    def start(self) -> None:
        """Start it again on what the last one left."""
        self._part = self._begun()

    def stop(self) -> None:
        """Stop it."""
        self._part.end()

    def _begun(self) -> Part:
        part = temporal.part(self._ports[0], self._ports[1], self._folder, self._folder)
        part.begin(self._hear)
        return part

    def _hear(self, pid: int) -> None:
        self._pid = pid


def _unheard(_: int) -> None:
    """Nobody asks for the stub's process number."""
