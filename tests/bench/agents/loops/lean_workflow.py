"""The leanest durable agent: a digest in the workflow, the model as an activity, the rest as local activities."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from tests.bench.agents.loops.contracts import Answer, Make, Task
    from tests.bench.agents.loops.lean_activities import Lean

TIMEOUT = timedelta(seconds=30)


@workflow.defn(name="lean")
class LeanLoop:
    """An agent without budget, limits or status; the tools of one turn are called one after the other."""

    @workflow.run
    async def run(self, task: Task) -> Answer:
        head = await workflow.execute_local_activity_method(Lean.begin, task, start_to_close_timeout=TIMEOUT)
        while True:
            move = await workflow.execute_activity_method(Lean.think, head, start_to_close_timeout=TIMEOUT)
            head = move.head
            if not move.calls:
                return Answer(text=move.text or "")
            for call in move.calls:
                head = await workflow.execute_local_activity_method(
                    Lean.act, Make(head=head, call=call), start_to_close_timeout=TIMEOUT
                )
