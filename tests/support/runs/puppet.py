"""A workflow of somebody else's on our queues: it says that it is an agent, and asks for whatever it is told to."""

import json
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError


@workflow.defn(name="agent", sandboxed=False)
class Puppet:
    """Each step is the name of an effect, its queue and its request; `$run` and `$id` in it are the puppet's own."""

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
