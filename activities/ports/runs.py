"""Runs as effects see them: what the server knows of an execution, what is registered of its run, and the time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from perdure.contracts.runs.registry import RegisteredRun


@dataclass(frozen=True)
class Execution:
    """What the Temporal server says of one execution of a workflow."""

    workflow_id: str
    run_id: str
    first_run_id: str
    """The first execution's of its run: a continue-as-new, a reset and a retry keep it."""
    kind: str
    """The workflow type."""
    parent: str
    """The first run id of the run that started it as a child; empty for none."""
    started_at: datetime
    """When this execution began, UTC."""


@dataclass(frozen=True)
class Beginning:
    """How a run began, as its first event says."""

    at: datetime
    """UTC."""
    request: Mapping[str, Any]
    """What it was started with; empty where that is no JSON object."""


class Executions(Protocol):
    """Asks the Temporal server about executions."""

    async def beginning(self, workflow_id: str, first_run_id: str) -> Beginning:
        """How a run began. Raises `NotThisRun` where the server has forgotten it, `ServerAway`."""
        ...

    async def look(self, workflow_id: str, run_id: str) -> Execution:
        """What the server knows of it. Raises `NotThisRun` where it knows of none, `ServerAway`."""
        ...


class Runs(Protocol):
    """The registry. A run is registered once, by its first effect, and never changes."""

    async def register(self, run: RegisteredRun) -> RegisteredRun:
        """Register a run, with its account; returns what is registered: the first registration stays.

        Raises `KeyTaken` where the run is registered with another workflow id or kind, `StorageFull`, `StorageFailed`.
        """
        ...

    async def look(self, tenant: str, run_id: str) -> RegisteredRun | None:
        """The run; None where none is registered. Raises `StorageFailed`."""
        ...

    async def upgraded_at(self) -> datetime | None:
        """When the database learned to register runs, UTC: one that began before could not be.

        Raises `StorageFailed`.
        """
        ...


class Clock(Protocol):
    """The one clock for times that are compared: it stands beside the database, which all workers share."""

    async def now(self) -> datetime:
        """The time, UTC. Raises `StorageFailed`."""
        ...
