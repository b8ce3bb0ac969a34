"""Effects of a registered run without a Temporal server: a stub says that each execution is the run's first."""

from dataclasses import replace
from datetime import UTC, datetime

from temporalio.testing import ActivityEnvironment

from activities.ports import Beginning, Execution
from perdure.contracts.chains.steps import StepKey


class StubExecutions:
    """A stub of `Executions` that answers as a server would about the run of this key."""

    def __init__(self, key: StepKey, kind: str = "chain") -> None:
        self.key = key
        self.kind = kind
        self.looks = 0

    async def look(self, workflow_id: str, run_id: str) -> Execution:
        self.looks += 1
        return Execution(workflow_id, run_id, self.key.run_id, self.kind, "", datetime.now(UTC))

    async def beginning(self, workflow_id: str, first_run_id: str) -> Beginning:
        return Beginning(datetime.now(UTC), {})


def environment_of(key: StepKey, execution: str = "") -> ActivityEnvironment:
    """Return an activity environment of the run of this key, in its first execution or in another one."""
    environment = ActivityEnvironment()
    environment.info = replace(
        environment.info, workflow_id=key.workflow_id, workflow_run_id=execution or key.run_id, workflow_type="chain"
    )
    return environment
