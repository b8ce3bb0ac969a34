"""Lists of runs: the filter, and one summary per run."""

from datetime import datetime
from typing import Literal, TypeAlias

from pydantic import AwareDatetime, Field

from perdure.contracts.contract import Contract, EdgeType, Name
from perdure.contracts.runs.run import AnyPhase

RunState: TypeAlias = Literal[
    "running", "completed", "failed", "canceled", "terminated", "timed_out", "continued_as_new"
]
"""Temporal's own state of a run."""


class RunFilter(Contract, metaclass=EdgeType):
    """A filter for runs. A field without a value (None) filters nothing."""

    tenant: Name | None = "default"
    """The tenant; None for every tenant."""
    agent: Name | None = None
    """The chain, the schema or the agent that the run follows."""
    phase: AnyPhase | None = None
    """The phase of a running run. Only phases that last can be searched for: short ones are not indexed."""
    outcome: str | None = Field(default=None, pattern=r"^[a-z_]{1,40}$")
    """The `kind` of the outcome: `answered`, `abstained`, `unfinished`, `stuck` ..."""
    state: RunState | None = None
    awaiting: bool | None = None
    """Whether something in the run waits for a person."""
    since: AwareDatetime | None = None
    """The earliest start."""
    failed: bool = False
    """Only runs that failed or ran out of time: those that can be retried."""
    ended_since: AwareDatetime | None = None
    """The earliest end."""
    limit: int = Field(default=50, strict=True, ge=1, le=10_000)
    """The most runs to return."""

    @property
    def query(self) -> str:
        """The filter as a query for Temporal's visibility. Every value has a closed format, so none can inject."""
        conditions = ["Tenant IS NOT NULL" if self.tenant is None else f"Tenant = '{self.tenant}'"]
        # The earlier executions of a continued run are not runs of their own.
        conditions.append("ExecutionStatus != 'ContinuedAsNew'")
        if self.agent is not None:
            conditions.append(f"Agent = '{self.agent}'")
        if self.phase is not None:
            conditions.append(f"Phase = '{self.phase.value}'")
        if self.outcome is not None:
            conditions.append(f"Outcome = '{self.outcome}'")
        if self.state is not None:
            conditions.append(f"ExecutionStatus = '{''.join(word.capitalize() for word in self.state.split('_'))}'")
        if self.awaiting is not None:
            conditions.append(f"AwaitingApproval = {str(self.awaiting).lower()}")
        if self.since is not None:
            conditions.append(f"StartTime >= '{self.since.isoformat()}'")
        if self.failed:
            conditions.append("ExecutionStatus IN ('Failed', 'TimedOut')")
        if self.ended_since is not None:
            conditions.append(f"CloseTime >= '{self.ended_since.isoformat()}'")
        return " AND ".join(conditions)


class RunSummary(Contract):
    """One run in a list. It may lag a second behind."""

    business_id: str
    """The caller's own name for the run."""
    tenant: str
    workflow_id: str
    """Temporal's id of the run: the tenant and the business id."""
    temporal_run_id: str
    """Temporal's id of the execution."""
    kind: str
    """The workflow type: `chain`, `extraction`, `agent`."""
    agent: str | None = None
    """The chain, the schema or the agent that the run follows."""
    state: RunState
    phase: str | None = None
    """The last indexed phase; None before the first."""
    outcome: str | None = None
    """The `kind` of the outcome; None while the run has none."""
    micro_dollars: int | None = None
    """The settled cost, in micro-dollars; None while it runs."""
    steps: int | None = None
    """The number of paid attempts; None while it runs."""
    awaiting: bool = False
    """Whether something in the run waits for a person."""
    started: datetime
    closed: datetime | None = None
    """The end of the run; None while it runs."""
