"""Durable chains and budgeted agents: decisions replay, effects happen once."""

from perdure.client import Platform
from perdure.contracts.agent import AgentPhase
from perdure.contracts.budget import Budget, Spend
from perdure.contracts.contract import BadInput
from perdure.contracts.decisions import Accepted, DecisionReply, PendingStep, Rejected, Ruling, StepDecision
from perdure.contracts.extraction import Evidence, FieldValue, Record
from perdure.contracts.inbox import InboxEntry
from perdure.contracts.queues import Queue
from perdure.contracts.run import (
    Abstained,
    AgentRequest,
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
from perdure.errors import CallerRefused, NoServer, PlatformError, RunConflict, RunFailed, UnknownRun

__all__ = [
    "Abstained",
    "Accepted",
    "AgentPhase",
    "AgentRequest",
    "Answered",
    "AskRequest",
    "BadInput",
    "Budget",
    "CallerRefused",
    "Cancelled",
    "DecisionReply",
    "Evidence",
    "Exhausted",
    "ExtractRequest",
    "Extracted",
    "FieldValue",
    "InboxEntry",
    "NoServer",
    "PendingStep",
    "Phase",
    "Platform",
    "PlatformError",
    "Queue",
    "Record",
    "Refused",
    "Rejected",
    "Ruling",
    "RunConflict",
    "RunFailed",
    "RunResult",
    "RunStatus",
    "Spend",
    "StepDecision",
    "UnknownRun",
]
