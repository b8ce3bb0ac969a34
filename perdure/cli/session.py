"""The connection of one command to the platform, and links to its runs."""

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
"""How long a worker may take to answer a query or an update."""

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
"""The host names of this machine."""


@dataclass(frozen=True)
class Session:
    """The connection settings of a command."""

    address: str | None = None
    namespace: str | None = None
    ui: str | None = None
    by_role: bool = False
    caller_token: str | None = field(default=None, repr=False)
    """The token of the person who starts runs; None for an anonymous start."""

    def work(self, do: Callable[[Platform], Awaitable[Found]]) -> Found:
        """Connect, run `do`, and close the connection before the process ends."""
        # Temporal's core writes its warnings to standard output, where a script reads results.
        with suppress(RuntimeError):  # it can be set only once for a process
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
        """Return the URL of a run in the Temporal UI; its ids where no UI is known."""
        ui = self.ui or _own_ui(platform.address)
        if ui is None:
            return f"{workflow_id} {run_id}"
        page = f"{quote(platform.namespace, safe='')}/workflows/{quote(workflow_id, safe=':')}/{run_id}/history"
        return f"{ui.rstrip('/')}/namespaces/{page}"


def _own_ui(address: str) -> str | None:
    """Return the UI's URL of a server on this machine: Temporal's development server uses its port + 1000."""
    host, _, port = address.rpartition(":")
    if host not in LOOPBACK or not port.isdecimal():
        return None
    return f"http://{host}:{int(port) + 1000}"


def session_of(context: typer.Context) -> Session:
    """Return the session that the options before the command describe."""
    return context.find_object(Session) or Session()


async def answered(asking: Awaitable[Found], run: str) -> Found:
    """Return the answer of a worker. Raises `PlatformError` where none answers in time."""
    try:
        async with asyncio.timeout(ANSWERED_WITHIN.total_seconds()):
            return await asking
    except TimeoutError:
        raise PlatformError(
            f"no worker answered for run {run!r} within {ANSWERED_WITHIN.seconds} s: is one running? start one with "
            f"`make up` or `make worker`"
        ) from None
