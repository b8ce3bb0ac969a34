"""When older turns are summed up: before the window is full, never in vain, and never for ever."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from agents import summary
from perdure.contracts.agents.agent import AgentRun
from perdure.contracts.agents.transcript import Role
from tests.state_machines.trials.agent_states import SPEC
from tests.state_machines.trials.conversations import INSTRUCTIONS, Told, full
from workflows.state_machines import compaction
from workflows.state_machines.agent import Compact, Think, next_step


def test_a_full_window_is_compacted_before_the_next_thought() -> None:
    told, step = full()
    assert step.step == f"compact-1-{step.cut.link[:8]}"
    assert told.prompt + SPEC.max_output_tokens <= 4096
    assert told.thoughts > 10, "it is not full as long as the server's own count says so"


def test_the_newest_turns_stay_word_for_word_up_to_half_of_the_room() -> None:
    told, step = full()
    told.compact(step)
    kept = told.shown[2:]
    assert kept == told.order[-1 - len(kept) : -1]
    assert len(kept) >= 2
    assert told.prompt <= 4096 * 0.8 // 2
    assert next_step(told.run) == Think(f"think-{told.thoughts + 1}")


def test_a_cut_never_parts_a_result_from_the_turn_that_asked_for_it() -> None:
    told, step = full()
    roles = [turn.role for turn, _ in told.run.transcript.placed().values()]
    before = told.order.index(step.cut.link)
    assert told.real[told.order[before]] == 100, "a result stands before it"
    assert told.real[told.order[before + 1]] == 40, "and what the model said after it"
    assert roles[-1] is Role.TOOL


def test_the_conversation_is_one_chain_and_its_account_is_of_what_is_shown() -> None:
    told, step = full()
    head, before = told.run.transcript.head, told.run.transcript
    told.compact(step)
    after = told.run.transcript
    assert after.stored == head, "what came before it is still there"
    [turn] = after.fresh
    assert (turn.role, turn.covers, turn.opening) == (Role.SUMMARY, step.cut.link, told.order[0])
    assert after.turns == len(told.shown) < before.turns
    assert after.tokens < before.tokens


def test_a_later_compaction_covers_the_summary_before_it() -> None:
    told, step = full()
    told.compact(step)
    first = told.summary
    while not isinstance(step := next_step(told.run), Compact):
        told.think()
    assert step.step == f"compact-2-{step.cut.link[:8]}"
    told.compact(step)
    assert first not in told.shown
    assert told.run.compactions == 2
    assert told.run.transcript.turns == len(told.shown)


def test_a_window_that_is_full_of_the_newest_turn_alone_is_left_to_the_models_server() -> None:
    told = Told()
    told.think()
    assert next_step(told.run) == Think("think-2")
    told = Told()
    told.think(result=50_000)
    assert not compaction.fits(told.run)
    assert next_step(told.run) == Think("think-2"), "there is nothing to sum up"


def test_no_summary_is_bought_that_might_be_longer_than_what_it_stands_for() -> None:
    told = Told(window=2048, summary_tokens=1500)
    for _ in range(40):
        told.think()
        assert isinstance(next_step(told.run), Think)
    assert not compaction.fits(told.run)


def test_a_thought_and_a_summary_need_a_deployment_with_room_for_them() -> None:
    told, step = full()
    needed = compaction.needed(told.run)
    assert needed is not None
    assert told.prompt + SPEC.max_output_tokens <= needed <= 4096
    assert 200 < compaction.needed_for(told.run, step.cut) <= 4096
    assert compaction.needed(Told().run) is None, "nothing is counted yet: the bound alone would rule out too much"


def test_a_run_that_says_nothing_of_summaries_is_never_compacted() -> None:
    told = Told()
    told.run = told.run.model_copy(update={"spec": SPEC})
    for _ in range(60):
        told.think()
        assert isinstance(next_step(told.run), Think)
    assert told.run.window is None


def test_without_a_servers_count_the_bound_is_taken() -> None:
    counted, bounded = full(window=16_384)[0], Told(window=16_384)
    while not isinstance(next_step(bounded.run), Compact) and bounded.thoughts < counted.thoughts:
        bounded.think(reports=False)
    assert bounded.thoughts < counted.thoughts


def test_a_reply_that_was_saved_by_an_attempt_whose_worker_died_is_counted_as_that_attempt_was_charged() -> None:
    told, lost = Told(), Told()
    for _ in range(4):
        told.think()
        lost.think(lost=True)
    assert lost.run.window == told.run.window, "the second attempt is charged nothing: it says nothing of the prompt"
    full_one, step = full()
    other, _ = full()
    full_one.compact(step)
    other.compact(step, lost=True)
    assert other.run.window == full_one.run.window


def test_other_turns_are_summed_up_in_another_step_as_after_a_reset() -> None:
    one, step = full()
    other = Told()
    other.think(said=41)
    while not isinstance(again := next_step(other.run), Compact):
        other.think()
    assert one.run.compactions == other.run.compactions
    assert step.step != again.step, "a saved reply is found by the step's name alone"
    assert next_step(one.run) == step, "and the same turns are the same step"


def test_an_empty_summary_takes_nothing_away_and_thoughts_come_next() -> None:
    told, step = full(window=8192)
    before, shown = told.run, told.shown
    told.compact(step, written=0)
    after = told.run.transcript
    assert (after.head, after.tokens, after.turns) == (before.transcript.head, before.transcript.tokens, len(shown))
    assert next_step(told.run) == Think(f"think-{told.thoughts + 1}"), "whatever the bound says"
    told.think()
    assert isinstance(next_step(told.run), Think)
    told.think()
    again = next_step(told.run)
    assert isinstance(again, Compact)
    assert again.step.startswith("compact-2-"), "the saved reply of the first one is not taken again"
    told.compact(again)
    assert told.summary in told.shown
    assert len(told.shown) < len(shown)


def test_a_model_that_writes_no_summaries_is_asked_less_and_less_often() -> None:
    told, _ = full(window=16_384)
    asked = list[int]()
    for _ in range(40):
        while isinstance(step := next_step(told.run), Compact):
            asked.append(told.thoughts)
            told.compact(step, written=0)
        told.think(result=0)
    gaps = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert gaps == [2, 4, 8]


def test_the_worst_case_of_a_summary_is_what_it_may_read_and_write_and_never_beyond_the_window() -> None:
    told, step = full()
    worst = compaction.worst(told.run, step.cut, told.run.deployment)
    assert (worst.steps, worst.output_tokens) == (1, 200)
    assert told.prompt < worst.input_tokens <= 4096 - 200


turns = st.lists(
    st.tuples(st.integers(1, 300), st.integers(0, 12_000), st.sampled_from([1, 2, 4, 6])), min_size=1, max_size=40
)
conversations = st.builds(
    Told,
    window=st.sampled_from([1024, 2048, 4096, 8192, 32_768]),
    at=st.floats(0.1, 1),
    summary_tokens=st.integers(16, 800),
    fixed=st.integers(10, compaction.PROMPT_FRAME),
)


@given(told=conversations, turns=turns, data=st.data())
def test_it_always_comes_to_the_next_thought_and_one_that_is_said_to_fit_does(
    told: Told, turns: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    window, most = told.window, told.summary_tokens
    for said, result, density in turns:
        bought = 0
        while isinstance(step := next_step(told.run), Compact):
            bought += 1
            assert bought <= compaction.MARKS, "each one takes at least one mark away"
            state = told.run.window
            assert state is not None
            before = compaction.likely(told.run, state)
            pressing = before + SPEC.max_output_tokens > window
            asked = [told.order[0], *told.shown[1:]]
            newer = set(told.order[told.order.index(step.cut.link) + 1 :]) - {told.summary}
            request = sum(told.real[link] + 5 + compaction.MARKER for link in asked if link not in newer)
            frame = len(summary.asked([]).encode())
            assert request + frame + INSTRUCTIONS.tokens + most <= window, "the request finds room"
            written = data.draw(st.sampled_from([0, 1, most]) | st.integers(1, most))
            told.compact(step, written=written)
            after = told.run.window
            assert after is not None
            if not written:
                assert isinstance(next_step(told.run), Think), "what did not help is not tried again at once"
                continue
            assert compaction.likely(told.run, after) < before, "it has helped"
            left = compaction.likely(told.run, after) + SPEC.max_output_tokens
            assert compaction.fits(told.run) or (pressing and left <= window), "the thought after it is said to fit"
            assert told.run.transcript.turns == len(told.shown)
        assert isinstance(step, Think)
        if told.run.window is not None and compaction.is_sure_to_fit(told.run):
            assert compaction.fits(told.run)
            assert told.prompt + SPEC.max_output_tokens <= window
        told.think(said, result, tokens=result // density)
    assert next_step(AgentRun.model_validate_json(told.run.model_dump_json())) == next_step(told.run), (
        "wherever it goes on"
    )


@given(st.integers(0, 10**6))
def test_the_words_around_a_summary_are_within_what_is_reckoned_for_them(turns: int) -> None:
    assert len(summary.shown("", turns).encode()) <= compaction.SUMMARY_FRAME
    assert len(summary.asked([]).encode()) <= compaction.SUMMARY_FRAME
    said = [summary.Said("assistant", "")] * (turns % 2000)
    marked = len(summary.asked(said).encode()) - len(summary.asked([]).encode())
    assistant = len("assistant") - 1  # a word of every tokenizer
    assert marked <= (5 + compaction.MARKER + assistant) * len(said)
