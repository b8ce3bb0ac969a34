"""The contenders of the benchmark. Each has a Temporal server and a worker process of its own."""

import sys
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import psutil
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from deploy.local.stack import temporal
from deploy.processes.ports import HOST, free_ports
from deploy.processes.process import Process
from perdure.client import Platform, workflow_id
from perdure.contracts.runs.run import Answered
from perdure.contracts.temporal.converter import data_converter
from tests.bench.raw.contracts import QUEUE, Question
from tests.bench.raw.workflow import RawChain
from tests.bench.texts import question

TENANT = "default"

Ask = Callable[[str], Awaitable[None]]
"""Makes one run under a new name and waits for its result; raises if it is not an answer."""

Asks = TypeVar("Asks")
"""The function that makes a run: `Ask`, or that of an agent."""


@dataclass(frozen=True)
class Contender(Generic[Asks]):
    """How a contender's worker is started and how its runs are made."""

    name: str
    module: str
    """The worker's module, run with `python -m`."""
    environment: Mapping[str, str]
    """The variables that are added to the worker's environment."""
    asker: Callable[[str], Awaitable[tuple[Asks, Client]]]
    """Returns, for a server's address, a function that makes runs and its client."""
    run_id: Callable[[str], str]
    """Returns the workflow id of a run of this name."""


@dataclass(frozen=True)
class Running(Generic[Asks]):
    """A contender whose server and worker are up."""

    contender: Contender[Asks]
    address: str
    server: psutil.Process
    worker: psutil.Process


async def ask_platform(address: str) -> tuple[Ask, Client]:
    """Return a function that makes runs as a backend does: by `perdure.client`, with memo, labels, conflict rules."""
    client = await Client.connect(address, data_converter=data_converter)
    platform = Platform(client)

    async def ask(name: str) -> None:
        result = await platform.ask(question(), business_id=name, tenant=TENANT)
        if not isinstance(result.outcome, Answered):
            raise TypeError(f"the run {name} did not answer: {result.outcome!r}")

    return ask, client


async def ask_raw(address: str) -> tuple[Ask, Client]:
    """Return a function that makes runs as a backend does by hand."""
    client = await Client.connect(address, data_converter=pydantic_data_converter)

    async def ask(name: str) -> None:
        request = Question(tenant=TENANT, text=question())
        answer = await client.execute_workflow(RawChain.run, request, id=name, task_queue=QUEUE)
        if not answer.sources:
            raise TypeError(f"the run {name} did not answer: {answer!r}")

    return ask, client


def platform(name: str, *, traces: bool) -> Contender[Ask]:
    """Return the platform as a contender, with its spans in a file or without spans."""
    return Contender(
        name=name,
        module="tests.bench.platform_worker",
        environment={"PERDURE_TELEMETRY__TRACES": str(traces).lower()},
        asker=ask_platform,
        run_id=lambda run: workflow_id(TENANT, run),
    )


RAW = Contender(name="raw SDK", module="tests.bench.raw.worker", environment={}, asker=ask_raw, run_id=lambda run: run)


@contextmanager
def serving(contender: Contender[Asks], state: Path, *, continue_after: int | None = None) -> Generator[Running[Asks]]:
    """Start a contender's server and worker as the embedded stack does, and stop them at the end.

    After `continue_after` events the server suggests a new execution; None for its default.
    """
    state.mkdir(parents=True)
    port, ui_port = free_ports(2)
    server = temporal.part(port, ui_port, state, state, continue_after=continue_after)
    worker = Process(
        f"the worker of {contender.name!r}",
        [sys.executable, "-m", contender.module],
        log=state / "worker.log",
        ready=lambda: any(line.startswith("ready") for line in (state / "worker.log").read_text().splitlines()),
        environment={**worker_environment(f"{HOST}:{port}", state), **contender.environment},
    )
    try:
        server.begin(lambda _: None)
        worker.begin(lambda _: None)
        yield Running(contender, f"{HOST}:{port}", _process(server), _process(worker))
    finally:
        worker.end()
        server.end()


def worker_environment(address: str, state: Path) -> dict[str, str]:
    """Return the environment of a measured worker.

    It may keep compiled modules, as on most machines. Without them the sandbox would compile the workflow's module anew
    for each run, and a start would compile every library.
    """
    return {
        "TEMPORAL_ADDRESS": address,
        "PERDURE_PATHS__STATE": str(state),
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(state.parent / "bytecode"),
    }


def _process(part: Process) -> psutil.Process:
    if part.process is None:
        raise RuntimeError(f"{part.name} has not been started")
    return psutil.Process(part.process.pid)
