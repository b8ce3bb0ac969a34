"""A part that died is started again, at most three times within a minute; then the stack stops."""

from itertools import pairwise

import hypothesis.strategies as st
from hypothesis import given

from deploy.processes.restarts import LIMIT, PAUSES, WINDOW, GiveUp, Restart, Restarts, Step

DEATHS = st.lists(
    st.tuples(st.sampled_from(["the worker", "the desk", "Weaviate"]), st.floats(min_value=0, max_value=90)),
    max_size=60,
)
"""Deaths one after the other: which part, and how many seconds after the step before."""


def steps(deaths: list[tuple[str, float]]) -> list[tuple[str, float, Step]]:
    """Return what is done about each death. A part dies only while it runs, so never before its restart."""
    restarts, now = Restarts(), 0.0
    alive_from: dict[str, float] = {}
    done: list[tuple[str, float, Step]] = []
    for part, seconds in deaths:
        now = max(now + seconds, alive_from.get(part, 0))
        step, restarts = restarts.after_death(part, now)
        done.append((part, now, step))
        if isinstance(step, Restart):
            alive_from[part] = step.at
    return done


@given(DEATHS)
def test_no_part_is_started_more_often_than_three_times_within_a_minute(deaths: list[tuple[str, float]]) -> None:
    times: dict[str, list[float]] = {}
    for part, _, step in steps(deaths):
        if isinstance(step, Restart):
            times.setdefault(part, []).append(step.at)
    for restarts in times.values():
        assert restarts == sorted(restarts)
        assert all(later - first >= WINDOW for first, later in zip(restarts, restarts[LIMIT:], strict=False))


@given(DEATHS)
def test_the_stack_is_given_up_only_after_three_restarts_within_a_minute(deaths: list[tuple[str, float]]) -> None:
    done = steps(deaths)
    for number, (part, now, step) in enumerate(done):
        recent = [
            earlier.at
            for name, _, earlier in done[:number]
            if name == part and isinstance(earlier, Restart) and earlier.at > now - WINDOW
        ]
        assert isinstance(step, GiveUp) == (len(recent) >= LIMIT)


@given(DEATHS)
def test_a_restart_comes_at_once_the_first_time_and_soon_in_any_case(deaths: list[tuple[str, float]]) -> None:
    for _, now, step in steps(deaths):
        if isinstance(step, Restart):
            assert step.at == now + PAUSES[step.number - 1]
    assert PAUSES[0] == 0
    assert all(earlier < later for earlier, later in pairwise(PAUSES))


@given(DEATHS, DEATHS)
def test_what_another_part_does_changes_nothing(deaths: list[tuple[str, float]], more: list[tuple[str, float]]) -> None:
    restarts, mixed = Restarts(), Restarts()
    now = 0.0
    for number, (_, seconds) in enumerate(deaths):
        now += seconds
        for other, _ in more[number : number + 1]:
            mixed = mixed.after_death(f"not {other}", now)[1]
        alone, restarts = restarts.after_death("the worker", now)
        beside, mixed = mixed.after_death("the worker", now)
        assert alone == beside
