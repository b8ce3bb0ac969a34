"""Thousands of attempts to make a call that nobody approved: the ledger of decisions allows none of them."""

from pathlib import Path
from typing import cast

import pytest

from tests.activities.authorization.proof_trial import run_trials
from tests.activities.authorization.proof_world import World

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]

ATTEMPTS = {"sample": 300, "all": 9000}


async def test_no_attempt_is_allowed_without_proof_and_none_with_it_is_refused(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    seed = cast("int", request.config.getoption("chaos_seed"))
    attempts = ATTEMPTS[cast("str", request.config.getoption("chaos"))]
    counts = await run_trials(World(tmp_path), attempts, 1000 * seed)
    assert counts.attempts >= attempts
    assert min(counts.allowed, counts.refused) > attempts / 50, f"seed {seed}: {counts}"
