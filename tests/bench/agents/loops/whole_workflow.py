"""An agent as most write it on the SDK: the message list in the workflow, model and tool as activities."""

import asyncio
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from tests.bench.agents.loops.contracts import Answer, Conversation, Task
    from tests.bench.agents.loops.model import calls_of
    from tests.bench.agents.loops.whole_activities import Whole

TIMEOUT = timedelta(seconds=30)


@workflow.defn(name="whole")
class WholeLoop:
    """An agent without budget, limits or status."""

    @workflow.run
    async def run(self, task: Task) -> Answer:
        messages = [{"role": "user", "content": task.text}]
        while True:
            reply = await workflow.execute_activity_method(
                Whole.think, Conversation(messages=messages), start_to_close_timeout=TIMEOUT
            )
            messages.append(reply.message)
            calls = calls_of(reply.message)
            if not calls:
                return Answer(text=reply.message["content"])
            results = await asyncio.gather(
                *(workflow.execute_activity_method(Whole.act, call, start_to_close_timeout=TIMEOUT) for call in calls)
            )
            messages += [result.message for result in results]
