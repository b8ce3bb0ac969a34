"""Older turns are summed up before the window is full, only where that makes room, and a bounded number of times."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from agents import summary
from perdure.contracts.agents.agent import AgentRun
from perdure.contracts.agents.transcript import Role
from tests.state_machines.trials.agent_states import SPEC
from tests.state_machines.trials.conversations import INSTRUCTIONS, ServedConversation, full
from workflows.state_machines import compaction
from workflows.state_machines.agent import Compact, Think, next_step


def test_a_full_window_is_compacted_before_the_next_thought() -> None:
    conversation, step = full()
    assert step.step == f"compact-1-{step.cut.link[:8]}"
    assert conversation.prompt + SPEC.max_output_tokens <= 4096
    assert conversation.thoughts > 10, "it is not full as long as the server's own count says so"


def test_the_newest_turns_stay_word_for_word_up_to_half_of_the_room() -> None:
    conversation, step = full()
    conversation.compact(step)
    newest = conversation.shown[2:]
    assert newest == conversation.order[-1 - len(newest) : -1]
    assert len(newest) >= 2
    assert conversation.prompt <= 4096 * 0.8 // 2
    assert next_step(conversation.run) == Think(f"think-{conversation.thoughts + 1}")


def test_a_cut_never_parts_a_result_from_the_turn_that_asked_for_it() -> None:
    conversation, step = full()
    roles = [turn.role for turn, _ in conversation.run.transcript.placed().values()]
    before = conversation.order.index(step.cut.link)
    assert conversation.real[conversation.order[before]] == 100, "a result stands before it"
    assert conversation.real[conversation.order[before + 1]] == 40, "and what the model said after it"
    assert roles[-1] is Role.TOOL


def test_the_conversation_is_one_chain_and_its_account_is_of_what_is_shown() -> None:
    conversation, step = full()
    head, before = conversation.run.transcript.head, conversation.run.transcript
    conversation.compact(step)
    after = conversation.run.transcript
    assert after.stored == head, "what came before it is still there"
    [turn] = after.fresh
    assert (turn.role, turn.covers, turn.opening) == (Role.SUMMARY, step.cut.link, conversation.order[0])
    assert after.turns == len(conversation.shown) < before.turns
    assert after.tokens < before.tokens


def test_a_later_compaction_covers_the_summary_before_it() -> None:
    conversation, step = full()
    conversation.compact(step)
    first = conversation.summary
    while not isinstance(step := next_step(conversation.run), Compact):
        conversation.think()
    assert step.step == f"compact-2-{step.cut.link[:8]}"
    conversation.compact(step)
    assert first not in conversation.shown
    assert conversation.run.compactions == 2
    assert conversation.run.transcript.turns == len(conversation.shown)


def test_a_window_that_is_full_of_the_newest_turn_alone_is_left_to_the_models_server() -> None:
    conversation = ServedConversation()
    conversation.think()
    assert next_step(conversation.run) == Think("think-2")
    conversation = ServedConversation()
    conversation.think(result=50_000)
    assert not compaction.fits(conversation.run)
    assert next_step(conversation.run) == Think("think-2"), "there is nothing to sum up"


def test_no_summary_is_bought_that_might_be_longer_than_what_it_stands_for() -> None:
    conversation = ServedConversation(window=2048, summary_tokens=1500)
    for _ in range(40):
        conversation.think()
        assert isinstance(next_step(conversation.run), Think)
    assert not compaction.fits(conversation.run)


def test_a_thought_and_a_summary_need_a_deployment_with_room_for_them() -> None:
    conversation, step = full()
    needed = compaction.needed(conversation.run)
    assert needed is not None
    assert conversation.prompt + SPEC.max_output_tokens <= needed <= 4096
    assert 200 < compaction.needed_for(conversation.run, step.cut) <= 4096
    assert compaction.needed(ServedConversation().run) is None, (
        "nothing is counted yet: the bound alone would rule out too much"
    )


def test_a_run_that_says_nothing_of_summaries_is_never_compacted() -> None:
    conversation = ServedConversation()
    conversation.run = conversation.run.model_copy(update={"spec": SPEC})
    for _ in range(60):
        conversation.think()
        assert isinstance(next_step(conversation.run), Think)
    assert conversation.run.window is None


def test_without_a_servers_count_the_bound_is_taken() -> None:
    counted, bounded = full(window=16_384)[0], ServedConversation(window=16_384)
    while not isinstance(next_step(bounded.run), Compact) and bounded.thoughts < counted.thoughts:
        bounded.think(reports=False)
    assert bounded.thoughts < counted.thoughts


def test_a_reply_that_was_saved_by_an_attempt_whose_worker_died_is_counted_as_that_attempt_was_charged() -> None:
    conversation, lost = ServedConversation(), ServedConversation()
    for _ in range(4):
        conversation.think()
        lost.think(lost=True)
    assert lost.run.window == conversation.run.window, (
        "the second attempt is charged nothing: it says nothing of the prompt"
    )
    full_one, step = full()
    other, _ = full()
    full_one.compact(step)
    other.compact(step, lost=True)
    assert other.run.window == full_one.run.window


def test_other_turns_are_summed_up_in_another_step_as_after_a_reset() -> None:
    one, step = full()
    other = ServedConversation()
    other.think(output=41)
    while not isinstance(again := next_step(other.run), Compact):
        other.think()
    assert one.run.compactions == other.run.compactions
    assert step.step != again.step, "a saved reply is found by the step's name alone"
    assert next_step(one.run) == step, "and the same turns are the same step"


def test_an_empty_summary_takes_nothing_away_and_thoughts_come_next() -> None:
    conversation, step = full(window=8192)
    before, before_shown = conversation.run, conversation.shown
    conversation.compact(step, written=0)
    after = conversation.run.transcript
    assert (after.head, after.tokens, after.turns) == (
        before.transcript.head,
        before.transcript.tokens,
        len(before_shown),
    )
    assert next_step(conversation.run) == Think(f"think-{conversation.thoughts + 1}"), "whatever the bound says"
    conversation.think()
    assert isinstance(next_step(conversation.run), Think)
    conversation.think()
    again = next_step(conversation.run)
    assert isinstance(again, Compact)
    assert again.step.startswith("compact-2-"), "the saved reply of the first one is not taken again"
    conversation.compact(again)
    assert conversation.summary in conversation.shown
    assert len(conversation.shown) < len(before_shown)


def test_a_model_that_writes_no_summaries_is_asked_less_and_less_often() -> None:
    conversation, _ = full(window=16_384)
    tries = list[int]()
    for _ in range(40):
        while isinstance(step := next_step(conversation.run), Compact):
            tries.append(conversation.thoughts)
            conversation.compact(step, written=0)
        conversation.think(result=0)
    gaps = [later - earlier for earlier, later in itertools.pairwise(tries)]
    assert gaps == [2, 4, 8]


def test_the_worst_case_of_a_summary_is_what_it_may_read_and_write_and_never_beyond_the_window() -> None:
    conversation, step = full()
    worst = compaction.worst(conversation.run, step.cut, conversation.run.deployment)
    assert (worst.steps, worst.output_tokens) == (1, 200)
    assert conversation.prompt < worst.input_tokens <= 4096 - 200


turns = st.lists(
    st.tuples(st.integers(1, 300), st.integers(0, 12_000), st.sampled_from([1, 2, 4, 6])), min_size=1, max_size=40
)
conversations = st.builds(
    ServedConversation,
    window=st.sampled_from([1024, 2048, 4096, 8192, 32_768]),
    at=st.floats(0.1, 1),
    summary_tokens=st.integers(16, 800),
    fixed=st.integers(10, compaction.PROMPT_FRAME),
)


@given(conversation=conversations, turns=turns, data=st.data())
@settings(deadline=None)
def test_it_always_comes_to_the_next_thought_and_one_that_is_said_to_fit_does(
    conversation: ServedConversation, turns: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    window, most = conversation.window, conversation.summary_tokens
    for output, result, density in turns:
        bought = 0
        while isinstance(step := next_step(conversation.run), Compact):
            bought += 1
            assert bought <= compaction.MARKS, "each one takes at least one mark away"
            state = conversation.run.window
            assert state is not None
            before = compaction.likely(conversation.run, state)
            pressing = before + SPEC.max_output_tokens > window
            read = [conversation.order[0], *conversation.shown[1:]]
            newer = set(conversation.order[conversation.order.index(step.cut.link) + 1 :]) - {conversation.summary}
            request = sum(conversation.real[link] + 5 + compaction.MARKER for link in read if link not in newer)
            frame = len(summary.request([]).encode())
            assert request + frame + INSTRUCTIONS.tokens + most <= window, "the request finds room"
            written = data.draw(st.sampled_from([0, 1, most]) | st.integers(1, most))
            conversation.compact(step, written=written)
            after = conversation.run.window
            assert after is not None
            if not written:
                assert isinstance(next_step(conversation.run), Think), "what did not help is not tried again at once"
                continue
            assert compaction.likely(conversation.run, after) < before, "it has helped"
            needed = compaction.likely(conversation.run, after) + SPEC.max_output_tokens
            assert compaction.fits(conversation.run) or (pressing and needed <= window), (
                "the thought after it is said to fit"
            )
            assert conversation.run.transcript.turns == len(conversation.shown)
        assert isinstance(step, Think)
        if conversation.run.window is not None and compaction.is_sure_to_fit(conversation.run):
            assert compaction.fits(conversation.run)
            assert conversation.prompt + SPEC.max_output_tokens <= window
        conversation.think(output, result, tokens=result // density)
    assert next_step(AgentRun.model_validate_json(conversation.run.model_dump_json())) == next_step(conversation.run), (
        "wherever it goes on"
    )


@given(st.integers(0, 10**6))
def test_the_words_around_a_summary_are_within_what_is_reckoned_for_them(turns: int) -> None:
    assert len(summary.shown("", turns).encode()) <= compaction.SUMMARY_FRAME
    assert len(summary.request([]).encode()) <= compaction.SUMMARY_FRAME
    texts = [summary.Turn("assistant", "")] * (turns % 2000)
    marked = len(summary.request(texts).encode()) - len(summary.request([]).encode())
    assistant = len("assistant") - 1  # a word that every tokenizer knows
    assert marked <= (5 + compaction.MARKER + assistant) * len(texts)
