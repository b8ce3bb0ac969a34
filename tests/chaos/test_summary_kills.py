"""A worker may die while it summarizes a conversation: no saved summary is bought twice."""

import random
import uuid

import pytest

from perdure.client import workflow_id
from perdure.contracts.budget import Budget
from perdure.contracts.runs.run import Answered
from perdure.testing import Script, answer, calls, kill_points
from tests.chaos.equipment.agents import AgentWorld, audit_bill

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

BUDGET = Budget(steps=60, tool_calls=60)

READS = 16
"""The turns of the task: about six fill the tenth of the context window that the agent may fill."""


def reading(run: str) -> str:
    return Script.of(run, [*[calls(("read_log", {"lines": 80}))] * READS, answer("It ran.")]).task()


async def test_a_summary_whose_worker_dies_is_saved_once_and_the_run_goes_on_from_it(
    agent_world: AgentWorld, rng: random.Random, *, sampled: bool
) -> None:
    world = agent_world
    undisturbed = f"undisturbed-{uuid.uuid4()}"
    result = await world.platform.run_agent(
        reading(undisturbed), agent="reader", business_id=undisturbed, budget=BUDGET
    )
    assert isinstance(result.outcome, Answered)
    audit_bill(world, undisturbed, result, BUDGET)
    summaries = sum(call.turn == 0 for call in world.stack.stub.bill.calls(undisturbed))
    assert summaries >= 2
    points = [point for point in kill_points(await world.stack.history(undisturbed)) if point.name.endswith(" compact")]
    assert len(points) == 3 * summaries
    for point in rng.sample(points[:3], 1) if sampled else points[:3]:
        run = f"killed-{uuid.uuid4()}"
        await world.platform.start_agent(reading(run), agent="reader", business_id=run, budget=BUDGET)
        await world.stack.kill_worker_at(run, point.event)
        result = await world.platform.result(run)
        assert isinstance(result.outcome, Answered), point
        assert result.outcome.answer.body == "It ran."
        audit_bill(world, run, result, BUDGET)
        attempts = [
            attempt for attempt in world.attempts.of(workflow_id("default", run)) if attempt.step.startswith("compact-")
        ]
        saved_steps = [attempt.step for attempt in attempts if attempt.reply is not None]
        assert len(saved_steps) == len(set(saved_steps)) == summaries, point
