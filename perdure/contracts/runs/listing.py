"""Runs as a list shows them: which ones somebody asks for, and a line for each."""

from datetime import datetime
from typing import Literal, TypeAlias

from pydantic import AwareDatetime, Field

from perdure.contracts.contract import Contract, Name
from perdure.contracts.runs.run import AnyPhase

RunState: TypeAlias = Literal[
    "running", "completed", "failed", "canceled", "terminated", "timed_out", "continued_as_new"
]
"""Temporal's own state of a run."""


class RunFilter(Contract):
    """Which runs to list. What is None does not matter."""

    tenant: Name | None = "default"
    """None for every tenant."""
    agent: Name | None = None
    """The chain, the schema or the agent."""
    phase: AnyPhase | None = None
    """Of the phases of a running run, those that last can be searched for; what is quick is not written down."""
    outcome: str | None = Field(default=None, pattern=r"^[a-z_]{1,40}$")
    """`answered`, `abstained`, `refused` ..."""
    state: RunState | None = None
    awaiting: bool | None = None
    """Whether something in it waits for a person."""
    since: AwareDatetime | None = None
    """Started at this moment or later."""
    limit: int = Field(default=50, ge=1, le=10_000)

    @property
    def query(self) -> str:
        """The same for Temporal's visibility. No value can say more than itself: each is of a closed kind."""
        said = ["Tenant IS NOT NULL" if self.tenant is None else f"Tenant = '{self.tenant}'"]
        # The earlier executions of a run that was continued are no runs of their own.
        said.append("ExecutionStatus != 'ContinuedAsNew'")
        if self.agent is not None:
            said.append(f"Agent = '{self.agent}'")
        if self.phase is not None:
            said.append(f"Phase = '{self.phase.value}'")
        if self.outcome is not None:
            said.append(f"Outcome = '{self.outcome}'")
        if self.state is not None:
            said.append(f"ExecutionStatus = '{''.join(word.capitalize() for word in self.state.split('_'))}'")
        if self.awaiting is not None:
            said.append(f"AwaitingApproval = {str(self.awaiting).lower()}")
        if self.since is not None:
            said.append(f"StartTime >= '{self.since.isoformat()}'")
        return " AND ".join(said)


class RunSummary(Contract):
    """One run in a list. It may be a second behind."""

    business_id: str
    tenant: str
    workflow_id: str
    temporal_run_id: str
    kind: str
    """The workflow type: `chain`, `extraction`, `agent`."""
    agent: str | None = None
    """The chain, the schema or the agent that it follows."""
    state: RunState
    phase: str | None = None
    outcome: str | None = None
    micro_dollars: int | None = None
    """Settled cost; None while it runs."""
    steps: int | None = None
    """Paid attempts; None while it runs."""
    awaiting: bool = False
    """Whether something in it waits for a person."""
    started: datetime
    closed: datetime | None = None
