"""The connection of one command, and where its runs are seen."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar
from urllib.parse import quote

import typer
from temporalio.runtime import Runtime, TelemetryConfig

from perdure.client import Platform
from perdure.contracts.temporal.queues import Queue
from perdure.errors import PlatformError

Found = TypeVar("Found")

ANSWERED_WITHIN = timedelta(seconds=30)
"""How long a worker may take to answer a question about a run, or what a person says to it."""

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True)
class Session:
    """How a command reaches the platform."""

    address: str | None = None
    namespace: str | None = None
    ui: str | None = None
    by_role: bool = False
    caller_token: str | None = field(default=None, repr=False)
    """Of who starts runs here; None for nobody in particular."""

    def work(self, do: Callable[[Platform], Awaitable[Found]]) -> Found:
        """Connect, do this, and let the connection rest before the process ends."""
        # Temporal's core writes its warnings to standard output, into the midst of what a script reads.
        with suppress(RuntimeError):  # it is set once for a process
            Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=None)))

        async def main() -> Found:
            queue = Queue.WORKFLOWS if self.by_role else Queue.PLATFORM
            connected = await Platform.connect(
                self.address, namespace=self.namespace, task_queue=queue, caller_token=self.caller_token
            )
            async with connected as platform:
                return await do(platform)

        return asyncio.run(main())

    def link(self, platform: Platform, workflow_id: str, run_id: str) -> str:
        """A run's page in the Temporal UI; its ids where no UI is known."""
        ui = self.ui or _own_ui(platform.address)
        if ui is None:
            return f"{workflow_id} {run_id}"
        page = f"{quote(platform.namespace, safe='')}/workflows/{quote(workflow_id, safe=':')}/{run_id}/history"
        return f"{ui.rstrip('/')}/namespaces/{page}"


def _own_ui(address: str) -> str | None:
    """The UI of a server on this machine: Temporal's development server has it a thousand ports further."""
    host, _, port = address.rpartition(":")
    if host not in LOOPBACK or not port.isdecimal():
        return None
    return f"http://{host}:{int(port) + 1000}"


def session_of(context: typer.Context) -> Session:
    """The session that the options before the command describe."""
    found = context.find_object(Session)
    return found or Session()


async def answered(asking: Awaitable[Found], run: str) -> Found:
    """What a worker answers. Raises `PlatformError` where none does."""
    try:
        async with asyncio.timeout(ANSWERED_WITHIN.total_seconds()):
            return await asking
    except TimeoutError:
        raise PlatformError(
            f"no worker answered for run {run!r} within {ANSWERED_WITHIN.seconds} s: is one running? start one with "
            f"`make up` or `make worker`"
        ) from None
