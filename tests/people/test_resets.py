"""A run that is reset, to whatever event and however often, pays, acts and answers as one run."""

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
    """A stub that answers what it reads: it asks for the message, and then says what became of it."""

    def meet(self, meets: Any, request: Json) -> None:
        told = str(request["messages"][-1]["content"])
        if "Write to" in told:
            name = re.findall(r"Write to (\w+)", told)[-1]
            item = calls(message(to=name))
        else:
            item = {"content": SENT if re.search(r"The message \S+ is sent", told) else NOT_SENT}
        super().meet(item, request)


@pytest.fixture
def stub() -> Iterator[StubModel]:
    with StubModel(0, handler=Reader) as server:
        yield server


async def reset(client: Client, workflow: str, chance: random.Random) -> int:
    """Reset a run to a random task that it has completed; returns the event."""
    handle = client.get_workflow_handle(workflow)
    seen = await handle.describe()
    events = [event async for event in handle.fetch_history_events()]
    points = [one.event_id for one in events if one.HasField("workflow_task_completed_event_attributes")]
    point = chance.choice(points)
    await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow, run_id=seen.run_id),
            reason="a trial",
            workflow_task_finish_event_id=point,
            request_id=f"{workflow}-{chance.random()}",
        )
    )
    return point


async def settled(platform: Platform, client: Client, run: str, chance: random.Random) -> str:
    """What the run answers, once people have decided by chance whatever it asks them."""
    handle = client.get_workflow_handle(f"default:{run}")

    async def over() -> bool:
        if (await handle.describe()).status is not WorkflowExecutionStatus.RUNNING:
            return True
        for step in await platform.pending(run):
            ruling = chance.choice([Ruling.APPROVE, Ruling.DENY])
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
    chance, answers, resets = random.Random(seed), Counter[str](), 0  # noqa: S311 - a seeded trial
    runs: dict[str, str] = {}
    client, platform = environment.client, Platform(environment.client)
    for number in range(RUNS[size]):
        name = f"bob{number}"
        run = await platform.start_agent(f"Write to {name}.", agent="clerk", business_id=f"reset-{seed}-{number}")
        first = (await client.get_workflow_handle(f"default:{run}").describe()).run_id
        runs[first] = name
        for again in range(RESETS[size] + 1):
            if again:
                await reset(client, f"default:{run}", chance)
                resets += 1
            answer = await settled(platform, client, run, chance)
            written = sum(kept["to"] == name for kept in desk.kept()["messages"])
            assert written <= 1, f"{run} wrote {written} times after {again} resets"
            # What it says is what is so, whichever of its executions has done it.
            assert answer == (SENT if written else NOT_SENT), f"{run} after {again} resets: {answer}, {written} written"
            answers[answer] += 1
    paid = 0
    async with open_database(working) as database:
        accounts = SqlAccounts(database)
        for run in runs:
            account = await accounts.look("default", run)
            assert account is not None
            assert account.reserved.steps == 0
            paid += account.settled.input_tokens + account.settled.output_tokens
    bill = stub.calls * (INPUT_TOKENS + OUTPUT_TOKENS)
    assert paid == bill
    print(  # noqa: T201 - the figures of the trial
        f"\n{resets} resets of {len(runs)} runs to random events, seed {seed}: settled {paid} = bill {bill} tokens, "
        f"0 answers from another question, 0 writes twice; {dict(answers)}"
    )
