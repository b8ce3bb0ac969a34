"""The real SGLang of the tests' own, on the CPU platform, and its router: on free loopback ports, with keys."""

import secrets
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from deploy.processes.errors import DeployError
from deploy.processes.ports import HOST, free_ports
from deploy.processes.process import Process
from deploy.sglang.cpu_server import ENVIRONMENT, NAME, CpuServer, router_command
from deploy.sglang.install import Installed, install
from tests.services.programs import leave_out

START_SECONDS = 300.0
"""The seconds until it must be ready; nearly all of them go to the import of its libraries from a cold disk."""


@dataclass(frozen=True)
class SGLangServer:
    """A server that answers."""

    root: str
    """Its address, without `/v1`."""
    api_key: str
    admin_key: str
    part: Process
    model: str = NAME

    @property
    def endpoint(self) -> str:
        """The address, as a catalogue names it."""
        return f"{self.root}/v1"

    def get(self, path: str) -> httpx.Response:
        """What is at a path."""
        headers = {"Authorization": f"Bearer {self.api_key}"}
        return httpx.get(f"{self.root}{path}", headers=headers, timeout=30, trust_env=False)

    def running(self) -> int:
        """Return the number of its requests by its own metrics, waiting ones included."""
        loads: list[Mapping[str, Any]] = self.get("/v1/loads").json()["loads"]
        return sum(int(load["num_running_reqs"]) + int(load["num_waiting_reqs"]) for load in loads)

    def counted(self, metric: str) -> float:
        """A counter or gauge of its metrics, summed over its labels."""
        lines = self.get("/metrics").text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"sglang:{metric}{{"))


def installed() -> Installed:
    """Install SGLang once on this machine. If that fails, skip the test with the reason."""
    try:
        return install()
    except DeployError as error:
        leave_out(str(error))


@contextmanager
def sglang_server(folder: Path, *, keys: tuple[str, str] | None = None) -> Generator[SGLangServer]:
    """Start one, with these keys for users and operators or with its own, and stop it whatever happens."""
    found = installed()
    [port] = free_ports(1)
    keys = keys or (secrets.token_hex(16), secrets.token_hex(16))
    server = CpuServer(port, api_key=keys[0], admin_key=keys[1])
    root = f"http://{HOST}:{port}"
    part = Process(
        "SGLang",
        server.command(found),
        log=folder / f"sglang-{port}.log",
        ready=lambda: _ready(f"{root}/ready"),
        environment=ENVIRONMENT,
        ready_seconds=START_SECONDS,
    )
    part.begin(lambda _: None)
    try:
        yield SGLangServer(root, *keys, part)
    finally:
        part.end()


@contextmanager
def router(folder: Path, servers: Sequence[SGLangServer]) -> Generator[str]:
    """`smg` in front of servers, which must share their keys; yields its address without `/v1`."""
    port, metrics = free_ports(2)
    root = f"http://{HOST}:{port}"
    command = router_command(installed(), port, metrics, [server.root for server in servers], servers[0].api_key)
    part = Process("smg", command, log=folder / "smg.log", ready=lambda: _ready(f"{root}/readiness"), environment={})
    part.begin(lambda _: None)
    try:
        yield root
    finally:
        part.end()


def _ready(address: str) -> bool:
    try:
        return httpx.get(address, timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False
