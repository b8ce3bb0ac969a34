"""A writer may be killed and a reader may lose its connection: no token of an attempt is missing or read twice."""

import random
from pathlib import Path
from typing import cast

import pytest

from tests.bench.tokens.token_trials import Place, kills, reconnects

pytestmark = pytest.mark.chaos


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.redis)])
def log_place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    url = request.getfixturevalue("redis_url") if request.param == "redis" else None
    return Place(request.param, tmp_path, url)


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    return random.Random(cast("int", request.config.getoption("chaos_seed")))  # noqa: S311 - a sample, not a secret


async def test_readers_that_reconnect_anywhere_miss_nothing_and_get_nothing_twice(
    log_place: Place, rng: random.Random
) -> None:
    count = await reconnects(log_place, 60, rng)
    assert count.connections == 61
    assert count.characters > 500
    assert count.faults == 0


async def test_each_attempt_after_a_kill_is_announced_and_is_exact(log_place: Place, rng: random.Random) -> None:
    count = await kills(log_place, 4, rng)
    assert count.kills == 4
    assert count.characters > 500
    assert count.faults == 0
