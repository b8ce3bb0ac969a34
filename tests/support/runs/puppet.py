"""A foreign workflow on the platform's queues: it claims to be an agent, and asks for any effect it is told to."""

import json
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError


@workflow.defn(name="agent", sandboxed=False)
class Puppet:
    """A workflow of steps: an effect's name, its queue and its request, with its own `$run` and `$id` filled in."""

    @workflow.run
    async def run(self, steps: list[dict[str, Any]]) -> list[Any]:
        replies: list[Any] = []
        info = workflow.info()
        for step in steps:
            ask = json.dumps(step["ask"]).replace("$run", info.first_execution_run_id).replace("$id", info.workflow_id)
            for number, reply in enumerate(replies):
                if isinstance(reply, dict) and "pinned" in reply:
                    ask = ask.replace(f'"$pinned-{number}"', json.dumps(reply["pinned"]))
            try:
                replies.append(
                    await workflow.execute_activity(
                        step["effect"],
                        json.loads(ask),
                        task_queue=step["queue"],
                        start_to_close_timeout=timedelta(seconds=20),
                        schedule_to_start_timeout=timedelta(seconds=20),
                        retry_policy=RetryPolicy(maximum_attempts=1),
                    )
                )
            except ActivityError as error:
                replies.append(f"{getattr(error.cause, 'type', '')}: {error.cause}")
        return replies
