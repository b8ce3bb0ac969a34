"""In a small window, as agents are shipped, summaries are rare, and each of them makes room."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.state_machines.trials.agent_states import SPEC
from tests.state_machines.trials.conversations import Told
from workflows.state_machines import compaction
from workflows.state_machines.agent import Compact, Think, next_step


@pytest.mark.parametrize(("result", "several"), [(1000, 8), (2000, 8), (4000, 4), (8000, 2)])
def test_in_a_small_window_summaries_are_rare_and_each_makes_room(result: int, several: int) -> None:
    told, bought = Told(window=8192, summary_tokens=400, fixed=1000), 0
    for _ in range(48):
        while isinstance(step := next_step(told.run), Compact):
            bought += 1
            told.compact(step, written=400)
            assert compaction.fits(told.run)
        assert told.prompt + SPEC.max_output_tokens <= 8192 * 0.8, "none is put off for too long"
        told.think(result=result)
    assert 2 <= bought <= 48 // several


@pytest.mark.parametrize("result", [12_000, 16_000])
def test_results_of_which_the_window_holds_only_one_are_each_thought_about(result: int) -> None:
    told = Told(window=8192, summary_tokens=400, fixed=1000)
    for _ in range(12):
        while isinstance(step := next_step(told.run), Compact):
            told.compact(step, written=400)
        assert told.prompt + SPEC.max_output_tokens <= 8192
        told.think(result=result)


def test_a_summary_that_would_take_little_away_waits_while_the_window_itself_has_room() -> None:
    told = Told(window=8192, summary_tokens=400, fixed=1000)
    for result in (3000, 3000, 12_500):
        told.think(result=result)
    state = told.run.window
    assert state is not None
    assert not compaction.fits(told.run)
    assert compaction.likely(told.run, state) + SPEC.max_output_tokens <= 8192
    assert next_step(told.run) == Think("think-4")
    assert told.prompt + SPEC.max_output_tokens <= 8192


@given(
    st.lists(st.tuples(st.integers(10, 60), st.integers(0, 4000)), min_size=8, max_size=60),
    st.integers(16, 400),
)
def test_however_long_results_are_summaries_are_rare(turns: list[tuple[int, int]], written: int) -> None:
    told, since = Told(window=8192, summary_tokens=400, fixed=1000), 99
    for said, result in turns:
        while isinstance(step := next_step(told.run), Compact):
            assert since >= 3, "several thoughts come between two"
            since = 0
            told.compact(step, written=written)
            assert compaction.fits(told.run)
        assert told.prompt + SPEC.max_output_tokens <= 8192
        told.think(said, result)
        since += 1


def test_dense_words_are_reckoned_with_as_soon_as_they_were_counted() -> None:
    told = Told(window=8192, summary_tokens=400, fixed=1000)
    told.think(result=2000)
    told.think(result=2000)
    sparse = told.run.window
    told.think(result=1200, tokens=1200)
    told.think(result=1200, tokens=1200)
    dense = told.run.window
    assert sparse is not None
    assert dense is not None
    assert (sparse.density or 0) < 300
    assert (dense.density or 0) > 700
