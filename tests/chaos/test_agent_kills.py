"""A worker may die at any moment while agents act: nothing is written twice, nothing is lost, and no run is stuck."""

import random

import pytest

from perdure.contracts.runs.run import Answered
from perdure.testing import kill_points
from tests.chaos.conftest import Report
from tests.chaos.equipment.agents import AgentWorld
from tests.chaos.equipment.volley import BUDGET, TURNS, Moment, at_event, called, intended, script, volley

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]

TENTH = 10

BETWEEN: tuple[Moment, ...] = (
    intended("file_ticket"),
    called("file_ticket", "tickets", "call-2-1"),
    intended("post_notice"),
    called("post_notice", "messages", "call-3-1"),
)
"""Between intent and call, and between call and outcome; of what may be done twice, and of what may not."""


async def test_an_agents_runs_survive_the_death_of_their_worker_at_any_event(
    agent_world: AgentWorld, report: Report, chance: random.Random, *, sampled: bool
) -> None:
    first = await agent_world.platform.run_agent(
        script("first", [0.0] * TURNS), agent="chaos", business_id="first", budget=BUDGET
    )
    assert isinstance(first.outcome, Answered)
    points = kill_points(await agent_world.stack.history("first"))
    if sampled:
        points = sorted(chance.sample(points, len(points) // TENTH))
    for point in points:
        report.volleys.append(await volley(agent_world, at_event(point.event), chance))
    assert len(points) >= (5 if sampled else 50)


async def test_a_write_survives_the_death_of_its_worker_between_intent_call_and_outcome(
    agent_world: AgentWorld, report: Report, chance: random.Random, *, sampled: bool
) -> None:
    for moment in chance.sample(BETWEEN, 1) if sampled else BETWEEN * 2:
        fired = await volley(agent_world, moment, chance)
        report.volleys.append(fired)
        if "post_notice" in fired.point:
            # Nobody can be asked whether it happened: a person had to say so, and where it was called, that it was.
            assert fired.unknown >= 1
            assert fired.happened >= ("call of" in fired.point)
