"""Durable chains and budgeted agents: decisions replay, effects happen once."""

from perdure.client import NoServer, Platform, PlatformError, RunConflict, RunFailed, UnknownRun
from perdure.contracts.budget import Budget, Spend
from perdure.contracts.contract import BadInput
from perdure.contracts.queues import Queue
from perdure.contracts.run import (
    Abstained,
    Answered,
    AskRequest,
    Cancelled,
    Exhausted,
    Phase,
    Refused,
    RunResult,
    RunStatus,
)

__all__ = [
    "Abstained",
    "Answered",
    "AskRequest",
    "BadInput",
    "Budget",
    "Cancelled",
    "Exhausted",
    "NoServer",
    "Phase",
    "Platform",
    "PlatformError",
    "Queue",
    "Refused",
    "RunConflict",
    "RunFailed",
    "RunResult",
    "RunStatus",
    "Spend",
    "UnknownRun",
]
