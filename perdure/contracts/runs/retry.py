"""Retries of failed runs."""

from datetime import datetime

from perdure.contracts.contract import Contract, Name


class Retry(Contract):
    """A failed run: why it failed, where it continues, and the result of the retry."""

    business_id: str
    """The caller's own name for the run."""
    tenant: Name
    workflow_id: str
    """Temporal's id of the run: the tenant and the business id."""
    failed_run_id: str = ""
    """Temporal's id of the execution that failed."""
    kind: str = ""
    """The workflow type: `chain`, `extraction`, `agent`."""
    agent: str | None = None
    """The chain, the schema or the agent that the run follows."""
    failed: datetime | None = None
    """The moment when the run ended."""
    reason: str = ""
    """Why the run failed."""
    cause: str = ""
    """The id of the cause that runs with the same remedy share (`FailureCause.id`)."""
    again: tuple[str, ...] = ()
    """The steps that are done again, each with its effect: `think think-2`. Empty where no step is to blame: then the
    last workflow task is done again."""
    event: int | None = None
    """The event that ends the workflow task to be done again, in the history of the execution that failed."""
    temporal_run_id: str | None = None
    """Temporal's id of the execution that continues the run; None where it was not retried."""
    problem: str = ""
    """Why the run was not retried; empty where it was retried, or only listed."""
