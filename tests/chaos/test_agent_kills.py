"""A worker may die at any moment while agents act: nothing is written twice, nothing is lost, and no run is stuck."""

import random
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest
import pytest_asyncio
from temporalio.client import Client

from activities.settings import ROOT
from perdure.contracts.converter import data_converter
from perdure.contracts.run import Answered
from perdure.testing import Checkout, RunningStack, embedded_stack, kill_points
from tests.chaos.agents import AGENT, AgentWorld
from tests.chaos.conftest import Report
from tests.chaos.volley import BUDGET, Moment, at_event, called, intended, script, volley

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]

TENTH = 10

BETWEEN: tuple[Moment, ...] = (
    intended("file_ticket"),
    called("file_ticket", "tickets", "call-2-1"),
    intended("post_notice"),
    called("post_notice", "messages", "call-3-1"),
)
"""Between intent and call, and between call and outcome; of what may be done twice, and of what may not."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    agents = tmp_path_factory.mktemp("agents")
    (agents / "chaos.toml").write_text(AGENT)
    with embedded_stack(
        Checkout(ROOT),
        state=tmp_path_factory.mktemp("agent-chaos"),
        agents=agents,
        tools=Path(__file__).resolve().parent / "tools",
        desk_pause=timedelta(seconds=0.3),
        settings={"PERDURE_TELEMETRY__TRACES": "false"},
    ) as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(stack: RunningStack) -> AsyncIterator[AgentWorld]:
    client = await Client.connect(stack.address, data_converter=data_converter)
    async with await stack.platform() as platform:
        yield AgentWorld(stack, platform, client)


@pytest.fixture(scope="session")
def chance(request: pytest.FixtureRequest) -> random.Random:
    return random.Random(cast("int", request.config.getoption("chaos_seed")))  # noqa: S311 - a sample, not a secret


@pytest.fixture
def sampled(request: pytest.FixtureRequest) -> bool:
    return request.config.getoption("chaos") == "sample"


async def test_an_agents_runs_survive_the_death_of_their_worker_at_any_event(
    world: AgentWorld, report: Report, chance: random.Random, *, sampled: bool
) -> None:
    first = await world.platform.run_agent(
        script("first", [0.0] * 4), agent="chaos", business_id="first", budget=BUDGET
    )
    assert isinstance(first.outcome, Answered)
    points = kill_points(await world.stack.history("first"))
    if sampled:
        points = sorted(chance.sample(points, len(points) // TENTH))
    for point in points:
        report.volleys.append(await volley(world, at_event(point.event), chance))
    assert len(points) >= (5 if sampled else 50)


@pytest.mark.parametrize("moment", BETWEEN, ids=["ticket-intent", "ticket-call", "notice-intent", "notice-call"])
async def test_a_write_survives_the_death_of_its_worker_between_intent_call_and_outcome(
    world: AgentWorld, report: Report, chance: random.Random, moment: Moment
) -> None:
    fired = await volley(world, moment, chance)
    report.volleys.append(fired)
    if "post_notice" in fired.point:
        # Nobody can be asked whether it happened: a person had to say so, and where it had been called, that it had.
        assert fired.unknown >= 1
        assert fired.happened >= ("call of" in fired.point)
