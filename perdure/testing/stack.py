"""A checkout's embedded stack for tests: a real Temporal server, real workers, the stub model and a desk."""

import asyncio
import json
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

from temporalio.client import Client, WorkflowHistory

from perdure.client import Platform, workflow_id
from perdure.contracts.chains.spec import Prices
from perdure.contracts.temporal.converter import data_converter
from perdure.testing.bill import Bill
from perdure.testing.checkout import Checkout
from perdure.testing.desk import Desk
from perdure.testing.kills import KillPoint, reached
from perdure.testing.program import Program
from perdure.testing.stub import PRICES, StubModel

__all__ = ["RunningStack", "embedded_stack"]


class RunningStack:
    """A stack that is running."""

    def __init__(self, program: Program, prices: Prices) -> None:
        report = program.report
        self._program = program
        self.address: str = report["temporal"]
        """The Temporal server's host and port, for `Platform.connect`."""
        self.ui: str | None = report["ui"]
        """The URL of the Temporal UI; None where there is none."""
        self.stub = StubModel(report["model"], Bill(Path(report["bill"])), prices)
        """The stub model, with its bill."""
        self.desk = Desk(report["desk"])
        """The service `desk` of the tools, which counts what it receives."""
        self.state = Path(report["state"])
        """The folder with the stack's state. It has the logs of all programs in `logs/`."""

    async def platform(self) -> Platform:
        """Return a client of this stack: `async with await stack.platform() as platform:`."""
        return await Platform.connect(self.address)

    async def history(self, business_id: str, *, tenant: str = "default") -> WorkflowHistory:
        """Return all events of a run so far, for `kill_points` or Temporal's replayer."""
        client = await self._client()
        return await client.get_workflow_handle(workflow_id(tenant, business_id)).fetch_history()

    def kill_worker(self) -> None:
        """Kill the worker like a power cut (`kill -9`). No worker runs until `start_worker`."""
        self._program.ask("kill")

    def start_worker(self) -> None:
        """Let a warm standby worker take over. Return when it serves."""
        self._program.ask("serve")

    async def kill_worker_at(
        self, business_id: str, event: int, *, tenant: str = "default", within: timedelta = timedelta(minutes=2)
    ) -> KillPoint:
        """Kill the worker when a run's history has this event, start another one, and return the kill point.

        A run with fewer events loses its worker at its last one. Raises `TimeoutError` where a run does not get there
        in time.
        """
        client = await self._client()
        handle = client.get_workflow_handle(workflow_id(tenant, business_id))
        point = await asyncio.wait_for(reached(handle, event), within.total_seconds())
        await asyncio.to_thread(self.kill_worker)
        await asyncio.to_thread(self.start_worker)
        return point

    async def _client(self) -> Client:
        return await Client.connect(self.address, data_converter=data_converter)


@contextmanager
def embedded_stack(
    checkout: Checkout,
    *,
    state: Path | None = None,
    agents: Path | Sequence[Path] = (),
    tools: Path | Sequence[Path] = (),
    schemas: Path | Sequence[Path] = (),
    documents: Path | None = None,
    collection: str = "handbook",
    tenant: str = "default",
    desk_pause: timedelta = timedelta(0),
    prices: Prices = PRICES,
    worker: bool = True,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Generator[RunningStack]:
    """Start a stack of a checkout on free ports, and stop all of it at the end, also after errors.

    `state` is the stack's folder; None for a temporary one. `agents`, `tools` and `schemas` are your folders, beside
    the checkout's own, as the settings of a worker name them. `documents` is a folder that becomes `collection` of
    `tenant`. `desk_pause` is how long the desk waits between doing a request and answering it: a worker can be killed
    in this time. With `worker=False` no worker runs until `start_worker`. `settings` are more `PERDURE_` variables. The
    stack gets no other variables of your environment, except those that name models and programs. Raises
    `ProgramFailed`.
    """
    with tempfile.TemporaryDirectory(prefix="perdure-stack-", ignore_cleanup_errors=True) as temporary:
        place = Path(temporary) if state is None else state
        arguments = ["--state", str(place), "--prices", str(prices.input), str(prices.output)]
        arguments += ["--desk-pause", str(desk_pause.total_seconds()), "--collection", collection, "--tenant", tenant]
        if documents is not None:
            arguments += ["--documents", str(documents.resolve())]
        if not worker:
            arguments += ["--no-worker"]
        own = {"PERDURE_PATHS__AGENTS": agents, "PERDURE_PATHS__TOOLS": tools, "PERDURE_PATHS__SCHEMAS": schemas}
        named = {name: _written(folders) for name, folders in own.items() if folders != ()}
        for name, value in {**named, **settings}.items():
            arguments += ["--setting", f"{name}={value}"]
        program = checkout.begin("the stack", "deploy.testing.stack", *arguments, log=place / "logs" / "stack.log")
        try:
            yield RunningStack(program, prices)
        finally:
            program.stop()


def _written(folders: Path | Sequence[Path]) -> str:
    """Return folders as the settings read them."""
    return json.dumps([str(folder.resolve()) for folder in ([folders] if isinstance(folders, Path) else folders)])
