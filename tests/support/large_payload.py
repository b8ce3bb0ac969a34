"""A workflow and an activity whose reply is larger than what Temporal's server takes in one payload."""

from datetime import timedelta

from temporalio import activity, workflow

from perdure.contracts.run import RunRequest

SIZE = 2_500_000
"""Characters. The server's limit for one payload is 2 MiB."""


@activity.defn
async def write_a_lot() -> str:
    return "x" * SIZE


@workflow.defn
class MeasureALot:
    @workflow.run
    async def run(self, _: RunRequest) -> int:
        return len(await workflow.execute_activity(write_a_lot, start_to_close_timeout=timedelta(seconds=30)))
