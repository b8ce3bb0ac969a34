"""Ports for runs: the Temporal server's executions, the registry of runs, and the database's clock."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from perdure.contracts.runs.registry import RegisteredRun


@dataclass(frozen=True)
class Execution:
    """One execution of a workflow, as the Temporal server describes it."""

    workflow_id: str
    run_id: str
    first_run_id: str
    """The id of the run's first execution: a continue-as-new, a reset and a retry keep it."""
    kind: str
    """The workflow type."""
    parent: str
    """The first run id of the parent run; empty if it is no child."""
    started_at: datetime
    """The time when this execution began, UTC."""


@dataclass(frozen=True)
class Beginning:
    """The beginning of a run, from its first event."""

    at: datetime
    """The time, UTC."""
    request: Mapping[str, Any]
    """The request that started it; empty if that is no JSON object."""


class Executions(Protocol):
    """Looks executions up on the Temporal server."""

    async def beginning(self, workflow_id: str, first_run_id: str) -> Beginning:
        """Return the beginning of a run. Raises `NotThisRun` if the server no longer has it, `ServerAway`."""
        ...

    async def look(self, workflow_id: str, run_id: str) -> Execution:
        """Return an execution. Raises `NotThisRun` if the server has none, `ServerAway`."""
        ...


class Runs(Protocol):
    """The registry of runs. A run is registered once, by its first effect, and never changes."""

    async def register(self, run: RegisteredRun) -> RegisteredRun:
        """Register a run with its account, and return its registration: the first one stays.

        Raises `KeyTaken` if the run is registered with another workflow id or kind, `StorageFull`, `StorageFailed`.
        """
        ...

    async def look(self, tenant: str, run_id: str) -> RegisteredRun | None:
        """Return the registered run; None if there is none. Raises `StorageFailed`."""
        ...

    async def upgraded_at(self) -> datetime | None:
        """Return the time when the database got its registry, UTC: earlier runs could not be registered.

        Raises `StorageFailed`.
        """
        ...


class Clock(Protocol):
    """The database's clock, which all workers share: the only one for times that are compared."""

    async def now(self) -> datetime:
        """Return the time, UTC. Raises `StorageFailed`."""
        ...
