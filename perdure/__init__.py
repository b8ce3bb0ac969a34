"""Durable chains and budgeted agents: decisions replay, and effects happen once. These are the public names."""

from perdure.client import Platform
from perdure.contracts.agents.agent import AgentPhase
from perdure.contracts.budget import Budget, Spend
from perdure.contracts.chains.extraction import Evidence, FieldValue, Record
from perdure.contracts.contract import BadInput
from perdure.contracts.runs.failures import FailureCause, FailureGroup
from perdure.contracts.runs.retry import Retry
from perdure.contracts.runs.run import (
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
    Stuck,
    Unfinished,
)
from perdure.contracts.temporal.queues import Queue
from perdure.contracts.tool_calls.decisions import (
    Accepted,
    DecisionReply,
    InboxEntry,
    PendingStep,
    Rejected,
    Ruling,
    StepDecision,
)
from perdure.contracts.tool_calls.writes import Write, WriteState
from perdure.errors import (
    CallerRefused,
    NoServer,
    NotFailed,
    PlatformError,
    RunConflict,
    RunFailed,
    UnknownRun,
)

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
    "FailureCause",
    "FailureGroup",
    "FieldValue",
    "InboxEntry",
    "NoServer",
    "NotFailed",
    "PendingStep",
    "Phase",
    "Platform",
    "PlatformError",
    "Queue",
    "Record",
    "Refused",
    "Rejected",
    "Retry",
    "Ruling",
    "RunConflict",
    "RunFailed",
    "RunResult",
    "RunStatus",
    "Spend",
    "StepDecision",
    "Stuck",
    "Unfinished",
    "UnknownRun",
    "Write",
    "WriteState",
]
