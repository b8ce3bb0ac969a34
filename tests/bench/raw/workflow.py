"""The chain as a good engineer writes it by hand on the SDK: screen and route, retrieve, generate, check."""

import asyncio
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from tests.bench.raw import activities
    from tests.bench.raw.contracts import Answer, Draft, Prompt, Question, Search

TIMEOUT = timedelta(seconds=30)


@workflow.defn(name="raw")
class RawChain:
    """Five remote activities in four hops, no state, nothing shown."""

    @workflow.run
    async def run(self, question: Question) -> Answer:
        screened, routed = await asyncio.gather(
            workflow.execute_activity(activities.screen, question, start_to_close_timeout=TIMEOUT),
            workflow.execute_activity(activities.route, question, start_to_close_timeout=TIMEOUT),
        )
        if not screened.passed:
            return Answer(text=screened.reason, sources=[], input_tokens=0, output_tokens=0)
        retrieved = await workflow.execute_activity(
            activities.retrieve, Search(question=question, route=routed), start_to_close_timeout=TIMEOUT
        )
        answer = await workflow.execute_activity(
            activities.generate,
            Prompt(question=question, model=routed.model, passages=retrieved.passages),
            start_to_close_timeout=TIMEOUT,
        )
        checked = await workflow.execute_activity(
            activities.check, Draft(answer=answer, passages=retrieved.passages), start_to_close_timeout=TIMEOUT
        )
        if not checked.passed:
            return Answer(text=checked.reason, sources=[], input_tokens=0, output_tokens=0)
        return answer
