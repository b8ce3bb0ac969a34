"""A worker may die at any moment: the run still answers, and nothing that was saved is bought again."""

import time

import pytest

from perdure.testing.kills import named
from tests.chaos.conftest import Report
from tests.chaos.equipment import moments
from tests.chaos.equipment.processes import Server
from tests.chaos.equipment.trial import World

pytestmark = pytest.mark.chaos

TRIES = 15
"""The tries to kill just before an acknowledgement, which sometimes wins the race."""


async def test_a_run_survives_the_death_of_its_worker_at_any_event(world: World, report: Report, event: int) -> None:
    trial = await world.trial(moments.at_event(event))
    report.trials.append(trial)


async def test_a_run_that_tries_again_survives_the_death_of_its_worker_at_any_event(
    world: World, report: Report, event_of_a_retried_run: int
) -> None:
    trial = await world.trial(moments.at_event(event_of_a_retried_run), "500")
    report.trials.append(trial)
    assert trial.result.unsettled.steps >= 1


async def test_a_run_whose_reply_is_repaired_survives_the_death_of_its_worker_at_any_event(
    world: World, report: Report, event_of_a_repaired_run: int
) -> None:
    trial = await world.trial(moments.at_event(event_of_a_repaired_run), "malformed")
    report.trials.append(trial)


async def test_an_attempt_that_died_before_its_reply_keeps_its_reservation(world: World, report: Report) -> None:
    trial = await world.trial(moments.call_in_flight, "hang")
    report.trials.append(trial)
    assert trial.calls == 2
    assert trial.result.unsettled.steps == 1
    assert trial.result.unsettled.micro_dollars > 0


async def test_an_attempt_is_recorded_before_its_call(world: World, report: Report) -> None:
    trial = await world.trial(moments.attempt_recorded)
    report.trials.append(trial)
    # The audit compared calls and attempts; here the first attempt's row existed before any reply.
    assert trial.generations == 2
    assert trial.result.unsettled.steps == 1


async def test_a_reply_that_was_saved_is_returned_and_not_bought_again(world: World, report: Report) -> None:
    for _ in range(TRIES):
        trial = await world.trial(moments.reply_saved)
        report.trials.append(trial)
        assert trial.calls == 1
        # Scheduled again means that the first attempt's completion never reached the server.
        if trial.generations == 2:
            assert trial.result.unsettled.steps == 0
            return
    pytest.fail(f"the completion won the race {TRIES} times: the moment after a save was never hit")


async def test_a_run_survives_the_death_of_the_server(world: World, server: Server, report: Report) -> None:
    await world.workers.ready()
    run = await world.start({"seconds": 2})
    await moments.call_in_flight(run)
    killed = time.monotonic()
    server.kill()
    server.start()
    trial = await world.end(run, "call in flight, server killed", killed)
    report.trials.append(trial)
    assert [named(event, trial.events) for event in trial.events][-1] == "workflow_execution_completed"
