"""Runs that failed, and what came of letting them go on."""

from datetime import datetime

from perdure.contracts.contract import Contract, Name


class Retry(Contract):
    """A run that failed: why, where it goes on, and what came of the retry."""

    business_id: str
    tenant: Name
    workflow_id: str
    failed_run_id: str = ""
    """Temporal's id of the execution that failed."""
    kind: str = ""
    """The workflow type: `chain`, `extraction`, `agent`."""
    agent: str | None = None
    """The chain, the schema or the agent that it follows."""
    failed: datetime | None = None
    """When it ended."""
    reason: str = ""
    """Why it ended."""
    again: tuple[str, ...] = ()
    """The steps that are done again, each with its effect: `think think-2`. Empty where none was to blame: the run then
    does what it did last."""
    event: int | None = None
    """The end of the workflow task that is done anew, in the history of the execution that failed."""
    temporal_run_id: str | None = None
    """Temporal's id of the execution in which the run goes on; None where it was not retried."""
    problem: str = ""
    """Why it was not retried; empty where it was, or is only looked at."""
