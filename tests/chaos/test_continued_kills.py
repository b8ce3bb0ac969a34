"""A worker may die while a run goes on in a new execution: no decision is lost, and nothing is written twice."""

import random

import pytest

from tests.chaos.conftest import Report
from tests.chaos.equipment.agents import AgentWorld
from tests.chaos.equipment.long_runs import CONTINUE_AFTER, passage

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]

BEFORE, AFTER = 10, 10
"""The numbers of events at the end of the first and the start of the second execution at which the worker is killed."""

SAMPLE = 1


async def test_no_decision_is_lost_when_a_worker_dies_around_a_new_execution(
    long_world: AgentWorld, report: Report, rng: random.Random, *, sampled: bool
) -> None:
    points = [(1, CONTINUE_AFTER - BEFORE // 2 + number) for number in range(BEFORE)]
    points += [(2, number + 1) for number in range(AFTER)]
    assert len(points) == 20
    for execution, event in sorted(rng.sample(points, SAMPLE)) if sampled else points:
        report.passages.append(await passage(long_world, rng, execution, event))
