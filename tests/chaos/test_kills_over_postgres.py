"""A worker whose stores are PostgreSQL and Redis may die at any moment, as one over SQLite may."""

import pytest

from tests.chaos.conftest import Report
from tests.chaos.equipment import moments
from tests.chaos.equipment.trial import World
from tests.chaos.test_kills import TRIES

pytestmark = [pytest.mark.chaos, pytest.mark.postgres]


async def test_a_run_survives_the_death_of_its_worker_at_any_event(
    postgres_world: World, report: Report, event_over_postgres: int
) -> None:
    trial = await postgres_world.trial(moments.at_event(event_over_postgres))
    report.trials.append(trial)


async def test_an_attempt_that_died_between_its_record_and_its_reply_keeps_its_reservation(
    postgres_world: World, report: Report
) -> None:
    trial = await postgres_world.trial(moments.call_in_flight, "hang")
    report.trials.append(trial)
    assert trial.calls == 2
    assert trial.result.unsettled.steps == 1


async def test_a_reply_that_was_saved_is_returned_and_not_bought_again(postgres_world: World, report: Report) -> None:
    for _ in range(TRIES):
        trial = await postgres_world.trial(moments.reply_saved)
        report.trials.append(trial)
        assert trial.calls == 1
        # Scheduled again means that the first attempt's completion never reached the server.
        if trial.generations == 2:
            assert trial.result.unsettled.steps == 0
            return
    pytest.fail(f"the completion won the race {TRIES} times: the moment after a save was never hit")
