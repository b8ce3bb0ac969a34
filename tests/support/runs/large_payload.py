"""Workflows whose payloads are larger than Temporal's server accepts, or than a test wants in a history."""

from datetime import timedelta

from temporalio import activity, workflow

from perdure.contracts.contract import Name
from perdure.contracts.runs.run import RunRequest

SIZE = 2_500_000
"""The size of a body in characters. The server's limit for one payload is 2 MiB."""

SOON = timedelta(seconds=30)


@activity.defn
async def write_a_lot() -> str:
    return "x" * SIZE


@workflow.defn
class MeasureALot:
    @workflow.run
    async def run(self, _: RunRequest) -> int:
        return len(await workflow.execute_activity(write_a_lot, start_to_close_timeout=SOON))


class Load(RunRequest):
    """The body to carry, and how far."""

    tenant: Name = "acme"
    body: str
    executions: int = 2
    """The number of executions of the run."""
    parent: str = ""
    """The workflow that a child signals; empty in the run that was started."""


@activity.defn
async def turn(body: str) -> str:
    return body[::-1]


@workflow.defn
class Carry:
    """A workflow that carries a body through every kind of payload, and returns it."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    @workflow.run
    async def run(self, load: Load) -> str:
        if load.parent:
            await workflow.get_external_workflow_handle(load.parent).signal("hear", load.body)
            return load.body
        body = await workflow.execute_activity(turn, load.body, start_to_close_timeout=SOON)
        body = await workflow.execute_local_activity(turn, body, start_to_close_timeout=SOON)
        own = workflow.info().workflow_id
        child = load.model_copy(update={"parent": own, "body": body})
        body = await workflow.execute_child_workflow(Carry.run, child, id=f"{own}-{load.executions}")
        await workflow.wait_condition(lambda: body in self.heard)
        if load.executions > 1:
            workflow.continue_as_new(load.model_copy(update={"executions": load.executions - 1, "body": body}))
        return body

    @workflow.signal
    def hear(self, body: str) -> None:
        self.heard.append(body)

    @workflow.query
    def echo(self, body: str) -> str:
        return body

    @workflow.update
    def repeat(self, body: str) -> str:
        return body
