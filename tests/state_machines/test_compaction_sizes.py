"""In a small window, as shipped agents have it, summaries are rare, and each of them makes room."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.state_machines.trials.agent_states import SPEC
from tests.state_machines.trials.conversations import ServedConversation
from workflows.state_machines import compaction
from workflows.state_machines.agent import Compact, Think, next_step


@pytest.mark.parametrize(("result", "several"), [(1000, 8), (2000, 8), (4000, 4), (8000, 2)])
def test_in_a_small_window_summaries_are_rare_and_each_makes_room(result: int, several: int) -> None:
    conversation, bought = ServedConversation(window=8192, summary_tokens=400, fixed=1000), 0
    for _ in range(48):
        while isinstance(step := next_step(conversation.run), Compact):
            bought += 1
            conversation.compact(step, written=400)
            assert compaction.fits(conversation.run)
        assert conversation.prompt + SPEC.max_output_tokens <= 8192 * 0.8, "none is put off for too long"
        conversation.think(result=result)
    assert 2 <= bought <= 48 // several


@pytest.mark.parametrize("result", [12_000, 16_000])
def test_results_of_which_the_window_holds_only_one_are_each_thought_about(result: int) -> None:
    conversation = ServedConversation(window=8192, summary_tokens=400, fixed=1000)
    for _ in range(12):
        while isinstance(step := next_step(conversation.run), Compact):
            conversation.compact(step, written=400)
        assert conversation.prompt + SPEC.max_output_tokens <= 8192
        conversation.think(result=result)


def test_a_summary_that_would_take_little_away_waits_while_the_window_itself_has_room() -> None:
    conversation = ServedConversation(window=8192, summary_tokens=400, fixed=1000)
    for result in (3000, 3000, 12_500):
        conversation.think(result=result)
    state = conversation.run.window
    assert state is not None
    assert not compaction.fits(conversation.run)
    assert compaction.likely(conversation.run, state) + SPEC.max_output_tokens <= 8192
    assert next_step(conversation.run) == Think("think-4")
    assert conversation.prompt + SPEC.max_output_tokens <= 8192


@given(
    st.lists(st.tuples(st.integers(10, 60), st.integers(0, 4000)), min_size=8, max_size=60),
    st.integers(16, 400),
)
def test_however_long_results_are_summaries_are_rare(turns: list[tuple[int, int]], written: int) -> None:
    conversation, since = ServedConversation(window=8192, summary_tokens=400, fixed=1000), 99
    for output, result in turns:
        while isinstance(step := next_step(conversation.run), Compact):
            assert since >= 3, "several thoughts come between two"
            since = 0
            conversation.compact(step, written=written)
            assert compaction.fits(conversation.run)
        assert conversation.prompt + SPEC.max_output_tokens <= 8192
        conversation.think(output, result)
        since += 1


def test_dense_words_are_reckoned_with_as_soon_as_they_were_counted() -> None:
    conversation = ServedConversation(window=8192, summary_tokens=400, fixed=1000)
    conversation.think(result=2000)
    conversation.think(result=2000)
    sparse = conversation.run.window
    conversation.think(result=1200, tokens=1200)
    conversation.think(result=1200, tokens=1200)
    dense = conversation.run.window
    assert sparse is not None
    assert dense is not None
    assert (sparse.density or 0) < 300
    assert (dense.density or 0) > 700
