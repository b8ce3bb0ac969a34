"""Durable chains and budgeted agents: decisions replay, effects happen once."""

from perdure.client import Platform
from perdure.contracts.budget import Budget, Spend
from perdure.contracts.contract import BadInput
from perdure.contracts.extraction import Evidence, FieldValue, Record
from perdure.contracts.queues import Queue
from perdure.contracts.run import (
    Abstained,
    Answered,
    AskRequest,
    Cancelled,
    Exhausted,
    Extracted,
    ExtractRequest,
    Phase,
    Refused,
    RunResult,
    RunStatus,
)
from perdure.errors import NoServer, PlatformError, RunConflict, RunFailed, UnknownRun

__all__ = [
    "Abstained",
    "Answered",
    "AskRequest",
    "BadInput",
    "Budget",
    "Cancelled",
    "Evidence",
    "Exhausted",
    "ExtractRequest",
    "Extracted",
    "FieldValue",
    "NoServer",
    "Phase",
    "Platform",
    "PlatformError",
    "Queue",
    "Record",
    "Refused",
    "RunConflict",
    "RunFailed",
    "RunResult",
    "RunStatus",
    "Spend",
    "UnknownRun",
]
