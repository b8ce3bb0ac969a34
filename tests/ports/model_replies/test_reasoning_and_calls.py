"""Reasoning, refusals and tool calls are told from the answer, however a server writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.model_replies.thinking import TAGS, ThinkingSplitter, split_thinking
from activities.ports import FinishReason
from tests.ports.model_replies.reply_cases import STOP, Json, call, calls, delta, read, read_whole


@pytest.mark.parametrize(
    "fields",
    [
        {"reasoning_content": "Hm."},
        {"reasoning": "Hm."},
        {"reasoning": "Hm.", "reasoning_content": "Hm."},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]},
        {"content": "<think>Hm.</think>"},
        {"content": " \n<think>Hm.</think>\n\n"},
        {"content": "[THINK]Hm.[/THINK]"},
    ],
)
def test_reasoning_is_kept_apart_wherever_its_server_writes_it(fields: Json) -> None:
    reader, shown = read(delta(fields), delta({"content": "42."}), STOP)
    assert (shown, reader.content, reader.reasoning) == ("42.", "42.", "Hm.")
    message = {"content": "42.", **fields}
    if isinstance(message["content"], list):
        message["content"] = [*message["content"], {"type": "text", "text": "42."}]
    elif "content" in fields:
        message["content"] += "42."
    reader = read_whole({"choices": [{"message": message, "finish_reason": "stop"}]})
    assert (reader.content, reader.reasoning) == ("42.", "Hm.")


PIECES_OF_TAGS = st.sampled_from([*TAGS, *TAGS.values(), "<", "<th", "ink>", "</think", "\n", " ", "a", "[THINK"])


@given(st.lists(PIECES_OF_TAGS, max_size=8).map("".join), st.data())
def test_thoughts_are_told_from_the_answer_in_the_same_way_at_every_cut(text: str, data: st.DataObject) -> None:
    splitter, answer, thoughts, rest = ThinkingSplitter(), "", "", text
    while rest:
        count = data.draw(st.integers(1, len(rest)))
        more, thought = splitter.add(rest[:count])
        answer, thoughts, rest = answer + more, thoughts + thought, rest[count:]
    more, thought = splitter.end()
    assert (answer + more, thoughts + thought) == split_thinking(text)
    if not any(text.lstrip().startswith(tag) for tag in TAGS):
        assert split_thinking(text) == (text, ""), "a tag that comes later belongs to the answer"


def test_a_thought_without_an_end_is_no_answer() -> None:
    reader, shown = read(delta({"content": "<think>I could"}), delta({"content": " say </thi"}), STOP)
    assert (shown, reader.content, reader.reasoning) == ("", "", "I could say </thi")


def test_a_refusal_is_no_answer_and_its_words_are_kept() -> None:
    reader, shown = read(*(delta({"refusal": word}) for word in ("I cannot ", "help with that.")), STOP)
    assert (shown, reader.content, reader.refusal) == ("", "", "I cannot help with that.")
    assert reader.finish_reason is FinishReason.REFUSAL


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("end_turn", "stop"), ("MAX_TOKENS", "length"), ("refusal", "refusal"), ("SAFETY", "content_filter")],
)
def test_a_reason_has_one_word_for_all_providers(theirs: str, ours: str) -> None:
    reader, _ = read({"choices": [{"delta": {"content": "a"}, "finish_reason": theirs}]})
    assert reader.finish_reason == ours


# Calls.

TWO = [("add", '{"a": 1}'), ("look", '{"b": 2}')]


@pytest.mark.parametrize(
    "events",
    [
        pytest.param(
            calls(
                call("add", '{"a"', index=0, id="c1"),
                {"index": 0, "function": {"arguments": ": 1}"}},
                call("look", '{"b"', index=0, id="c2"),
                {"index": 0, "function": {"arguments": ": 2}"}},
            ),
            id="both have index 0",
        ),
        pytest.param(
            calls(
                call("add", "", id="c1"),
                {"function": {"arguments": '{"a": 1}'}},
                call("look", "", id="c2"),
                {"function": {"arguments": '{"b": 2}'}},
            ),
            id="no index",
        ),
        pytest.param(
            calls(
                call("add", "", index=0, id="c1"),
                call("look", "", index=1, id="c2"),
                {"index": 0, "function": {"arguments": '{"a": 1}'}},
                {"index": 1, "function": {"arguments": '{"b": 2}'}},
            ),
            id="interleaved",
        ),
        pytest.param(calls(call("add", '{"a": 1}'), call("look", '{"b": 2}')), id="neither index nor id"),
        pytest.param(
            [delta({"tool_calls": [call("add", '{"a": 1}', id="x"), call("look", '{"b": 2}', id="x")]})],
            id="one id for both",
        ),
        pytest.param(
            calls(
                call("ad", None, index=0, id="c1"),
                call("d", "", index=0),
                call("", '{"a": 1}', index=0),
                call("look", '{"b"', index=1, id="c2"),
                call("look", ": 2}", index=1, id="c2"),
            ),
            id="a name in pieces, and one that is repeated",
        ),
        pytest.param(
            calls(
                call("add", '{"a": 1}', index=0, id="c1"),
                call("add", '{"a": 1}', index=0, id="c1"),
                call("look", '{"b": 2}', index=1, id="c2"),
            ),
            id="a whole call that is sent again",
        ),
        pytest.param(
            [delta({"tool_calls": [call("add", {"a": 1}, id="c1"), call("look", {"b": 2}, id="c2")]})],
            id="arguments as objects",
        ),
    ],
)
def test_two_calls_are_two_however_their_server_numbers_them(events: list[Json]) -> None:
    reader, _ = read(*events, STOP)
    assert [(made.name, made.arguments) for made in reader.tool_calls] == TWO
    assert len({made.id for made in reader.tool_calls}) == 2
    assert reader.finish_reason is FinishReason.TOOL_CALLS


@pytest.mark.parametrize(
    "arguments", ["  ", "null", "", '"{\\"a\\": 1}"', '```json\n{"a": 1}\n```', '{"a": 1,}', "{}{}"]
)
def test_arguments_are_passed_on_as_the_model_wrote_them(arguments: str) -> None:
    reader, _ = read(*calls(call("functions.add", arguments, index=0, id="c1")), STOP)
    [made] = reader.tool_calls
    assert (made.id, made.name, made.arguments) == ("c1", "functions.add", arguments)


@pytest.mark.parametrize("pieces", [["{}", "{}"], ['{"a": 1}', '{"a": 1}'], ["{", "{"], ["", " ", ""]])
def test_pieces_of_arguments_are_joined_as_they_came(pieces: list[str]) -> None:
    later = ({"index": 0, "function": {"arguments": piece}} for piece in pieces)
    reader, _ = read(*calls(call("add", None, index=0, id="c1"), *later), STOP)
    assert [made.arguments for made in reader.tool_calls] == ["".join(pieces)]


def test_a_call_of_litellms_own_tool_is_the_answer() -> None:
    """LiteLLM asks an Anthropic model without JSON schemas for a call in place of an answer."""
    block: Json = {"type": "tool_use", "id": "t", "name": "json_tool_call", "input": {}}
    pieces = [{"type": "input_json_delta", "partial_json": piece} for piece in ('{"a":', " 1}")]
    reader, shown = read(
        {"type": "content_block_start", "index": 0, "content_block": block},
        *({"type": "content_block_delta", "index": 0, "delta": piece} for piece in pieces),
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 3}},
    )
    assert shown == reader.content == '{"a": 1}'
    assert (reader.tool_calls, reader.finish_reason) == ((), "stop")
