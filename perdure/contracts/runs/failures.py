"""Failed runs grouped by their cause, for an operator who looks at many of them at once."""

from datetime import datetime

from perdure.contracts.contract import Contract


class FailureCause(Contract):
    """Why a run failed, without what differs from run to run: two runs with the same cause need the same remedy."""

    id: str
    """A short digest of the other fields: `perdure retry --failed --cause ID` retries the runs with this cause."""
    effect: str
    """The effect that failed: `think`. `run` where the run itself ended, for example by its time."""
    kind: str
    """The kind of the fault, as the worker named it: `ModelRefused`; `Timeout (start_to_close)` for a timeout."""
    message: str
    """The message without the effect, numbers, ids and times: `…` stands for each."""


class FailureGroup(Contract):
    """All runs that failed for one cause."""

    cause: FailureCause
    count: int
    """The number of runs."""
    first: datetime
    """The moment when the first of them ended."""
    last: datetime
    """The moment when the last of them ended."""
    tenant: str
    """The tenant of the example."""
    example: str
    """The business id of the run that failed last."""
    reason: str
    """The whole message of the example."""
    remedy: str
    """What to do, before the runs are retried."""
    runs: tuple[str, ...] = ()
    """Temporal's ids of all runs of the group, the one that failed first at the beginning."""
