"""A run that is reset to random events, any number of times, pays, acts and answers as one run."""

import random
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, cast

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.testing import WorkflowEnvironment

from activities.adapters.databases.open import open_database
from activities.adapters.sql.accounts import SqlAccounts
from activities.settings import Settings
from deploy.local.stack.desk import Desk
from deploy.testing.stub.replies import Json
from perdure.client import Platform
from perdure.contracts.runs.run import Answered
from perdure.contracts.tool_calls.decisions import Ruling
from tests.support.runs.people import calls, decision, message
from tests.support.servers.stub_model import INPUT_TOKENS, OUTPUT_TOKENS, StubHandler, StubModel
from tests.support.waiting import until

RUNS = {"sample": 3, "all": 50}
RESETS = {"sample": 4, "all": 10}
SENT, NOT_SENT = "It was sent.", "It was not sent."


class Reader(StubHandler):
    """A stub model that answers by its prompt: it calls the message tool, and then reports the result of the call."""

    def meet(self, meets: Any, request: Json) -> None:
        last_message = str(request["messages"][-1]["content"])
        if "Write to" in last_message:
            name = re.findall(r"Write to (\w+)", last_message)[-1]
            item = calls(message(to=name))
        else:
            item = {"content": SENT if re.search(r"The message \S+ is sent", last_message) else NOT_SENT}
        super().meet(item, request)


@pytest.fixture
def stub() -> Iterator[StubModel]:
    with StubModel(0, handler=Reader) as server:
        yield server


async def reset(client: Client, workflow: str, rng: random.Random) -> int:
    """Reset a run to a random workflow task that it has completed, and return the event's id."""
    handle = client.get_workflow_handle(workflow)
    description = await handle.describe()
    events = [event async for event in handle.fetch_history_events()]
    event_ids = [event.event_id for event in events if event.HasField("workflow_task_completed_event_attributes")]
    event_id = rng.choice(event_ids)
    await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow, run_id=description.run_id),
            reason="a trial",
            workflow_task_finish_event_id=event_id,
            request_id=f"{workflow}-{rng.random()}",
        )
    )
    return event_id


async def decide_until_done(platform: Platform, client: Client, run: str, rng: random.Random) -> str:
    """Decide by chance about every call of a run until it ends, and return its answer."""
    handle = client.get_workflow_handle(f"default:{run}")

    async def over() -> bool:
        if (await handle.describe()).status is not WorkflowExecutionStatus.RUNNING:
            return True
        for step in await platform.pending(run):
            ruling = rng.choice([Ruling.APPROVE, Ruling.DENY])
            await platform.decide(run, decision(step, ruling=ruling))
        return False

    await until(over, what=f"the run {run} ends", every=0.05)
    outcome = (await platform.result(run)).outcome
    assert isinstance(outcome, Answered), outcome
    return outcome.answer.body or ""


@pytest.mark.timeout(3600)
async def test_a_run_that_is_reset_pays_and_acts_once_and_answers_its_own_questions(
    environment: WorkflowEnvironment, working: Settings, stub: StubModel, desk: Desk, request: pytest.FixtureRequest
) -> None:
    seed, size = cast("int", request.config.getoption("chaos_seed")), cast("str", request.config.getoption("chaos"))
    rng, answers, resets = random.Random(seed), Counter[str](), 0  # noqa: S311 - a seeded trial
    runs: dict[str, str] = {}
    client, platform = environment.client, Platform(environment.client)
    for number in range(RUNS[size]):
        name = f"bob{number}"
        run = await platform.start_agent(f"Write to {name}.", agent="clerk", business_id=f"reset-{seed}-{number}")
        first_run_id = (await client.get_workflow_handle(f"default:{run}").describe()).run_id
        runs[first_run_id] = name
        for reset_count in range(RESETS[size] + 1):
            if reset_count:
                await reset(client, f"default:{run}", rng)
                resets += 1
            answer = await decide_until_done(platform, client, run, rng)
            message_count = sum(message["to"] == name for message in desk.kept()["messages"])
            assert message_count <= 1, f"{run} wrote {message_count} times after {reset_count} resets"
            # The answer is true, whichever of the run's executions sent the message.
            assert answer == (SENT if message_count else NOT_SENT), (
                f"{run} after {reset_count} resets: {answer}, {message_count} written"
            )
            answers[answer] += 1
    settled_tokens = 0
    async with open_database(working) as database:
        accounts = SqlAccounts(database)
        for run in runs:
            account = await accounts.look("default", run)
            assert account is not None
            assert account.reserved.steps == 0
            settled_tokens += account.settled.input_tokens + account.settled.output_tokens
    bill = stub.calls * (INPUT_TOKENS + OUTPUT_TOKENS)
    assert settled_tokens == bill
    print(  # noqa: T201 - the figures of the trial
        f"\n{resets} resets of {len(runs)} runs to random events, seed {seed}: "
        f"settled {settled_tokens} = bill {bill} tokens, "
        f"0 answers from another question, 0 writes twice; {dict(answers)}"
    )
