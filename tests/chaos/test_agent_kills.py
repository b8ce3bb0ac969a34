"""A worker may die at any moment while agents act: nothing is written twice, nothing is lost, and no run is stuck."""

import random

import pytest

from perdure.contracts.runs.run import Answered
from perdure.testing import kill_points
from tests.chaos.conftest import Report
from tests.chaos.equipment.agents import AgentWorld
from tests.chaos.equipment.volley import BUDGET, TURNS, Moment, at_event, called, intended, script, volley

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]

SAMPLE = 3
"""The number of events at which the default run kills a worker."""

BETWEEN: tuple[Moment, ...] = (
    intended("file_ticket"),
    called("file_ticket", "tickets", "call-2-1"),
    intended("post_notice"),
    called("post_notice", "messages", "call-3-1"),
)
"""The moments between intent and call and between call and outcome, for an idempotent and an at-most-once write."""


async def test_an_agents_runs_survive_the_death_of_their_worker_at_any_event(
    agent_world: AgentWorld, report: Report, rng: random.Random, *, sampled: bool
) -> None:
    undisturbed = await agent_world.platform.run_agent(
        script("first", [0.0] * TURNS), agent="chaos", business_id="first", budget=BUDGET
    )
    assert isinstance(undisturbed.outcome, Answered)
    points = kill_points(await agent_world.stack.history("first"))
    if sampled:
        points = sorted(rng.sample(points, SAMPLE))
    for point in points:
        report.volleys.append(await volley(agent_world, at_event(point.event), rng))
    assert len(points) >= (SAMPLE if sampled else 50)


async def test_a_write_survives_the_death_of_its_worker_between_intent_call_and_outcome(
    agent_world: AgentWorld, report: Report, rng: random.Random, *, sampled: bool
) -> None:
    for moment in rng.sample(BETWEEN, 1) if sampled else BETWEEN * 2:
        result = await volley(agent_world, moment, rng)
        report.volleys.append(result)
        if "post_notice" in result.point:
            # No query can tell whether it happened: a person had to, and if it was called, that it happened.
            assert result.unknown >= 1
            assert result.happened >= ("call of" in result.point)
