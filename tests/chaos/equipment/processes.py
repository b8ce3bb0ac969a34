"""The other processes of a trial: a Temporal server that can be killed, and a stub model that counts its calls."""

import json
import os
import signal
import sys
from pathlib import Path

import httpx

from deploy.local.stack import temporal
from deploy.processes.ports import HOST
from deploy.processes.process import Process


class Stub:
    """The stub model in a process of its own: it outlives every worker, and its file is the bill."""

    def __init__(self, folder: Path) -> None:
        """Start it and wait until it answers."""
        self._calls = folder / "calls"
        self._calls.touch()
        log = folder / "stub.log"

        def ready() -> bool:
            return log.read_text().startswith("ready")

        command = [sys.executable, "-m", "tests.support.servers.stub_model", "--port", "0", "--calls", str(self._calls)]
        self._part = Process("the stub model", command, log=log, ready=ready, environment={})
        self._part.begin(_ignore_pid)
        self._address = f"http://{HOST}:{int(log.read_text().split()[1])}"
        self.url = f"{self._address}/v1"

    def script(self, *items: object) -> None:
        """Set the replies to the next calls."""
        body = json.dumps(items)
        httpx.post(f"{self._address}/script", content=body, trust_env=False).raise_for_status()

    def calls(self) -> list[float]:
        """Return when each call arrived, in seconds since the epoch; a call is recorded before its reply."""
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
        self._part = self._start_part()

    def kill(self) -> None:
        """Kill it as a power cut would."""
        assert self._pid is not None
        os.kill(self._pid, signal.SIGKILL)
        self._part.end()

    def start(self) -> None:
        """Start it again on the files of the last one."""
        self._part = self._start_part()

    def stop(self) -> None:
        """Stop it."""
        self._part.end()

    def _start_part(self) -> Process:
        part = temporal.part(self._ports[0], self._ports[1], self._folder, self._folder)
        part.begin(self._store_pid)
        return part

    def _store_pid(self, pid: int) -> None:
        self._pid = pid


def _ignore_pid(_: int) -> None:
    """Ignore the process id of the stub."""
