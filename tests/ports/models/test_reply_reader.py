"""The reader of replies, from bytes alone: each kind of oddity of a dialect, and the same rules for drawn input."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.model_replies.characters import CharacterJoiner, whole_characters
from activities.adapters.model_replies.events import EventDecoder
from activities.adapters.model_replies.reader import ErrorReply, NotReadable, ReplyReader
from activities.adapters.model_replies.thinking import TAGS, ThinkingSplitter, split_thinking
from activities.ports import FinishReason, TokenLogprob, Usage

Json = dict[str, Any]

STOP: Json = {"choices": [{"delta": {}, "finish_reason": "stop"}]}


def delta(fields: Json | None) -> Json:
    return {"model": "m", "choices": [{"index": 0, "delta": fields, "finish_reason": None}]}


def calls(*pieces: Json) -> list[Json]:
    return [delta({"tool_calls": [piece]}) for piece in pieces]


def call(name: str, arguments: Any, **more: Any) -> Json:
    return {"function": {"name": name, "arguments": arguments}, **more}


def read(*events: Json | bytes) -> tuple[ReplyReader, str]:
    """Read a stream; return the reader, and what is shown."""
    reader = ReplyReader(streams=True)
    shown: list[str] = []
    for event in events:
        sent = event if isinstance(event, bytes) else b"data: " + json.dumps(event).encode() + b"\n\n"
        shown += [heard.text for heard in reader.add(sent)]
    shown += [heard.text for heard in reader.end()]
    return reader, "".join(shown)


def read_whole(body: Json | bytes) -> ReplyReader:
    reader = ReplyReader(streams=False)
    reader.add(body if isinstance(body, bytes) else json.dumps(body).encode())
    reader.end()
    return reader


# Events.


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(b'\xef\xbb\xbfdata: {"a": 1}\n\n', id="a BOM before the first event"),
        pytest.param(b'data: {"a":\ndata: 1}\n\n', id="several data lines"),
        pytest.param(b': hello\ndata:{"a": 1}\nid: 7\nretry: 3\n\n: bye\n\n', id="comments and other fields"),
        pytest.param(b'data: {"a": 1}', id="no blank line at the end"),
        pytest.param(b'\n\n\ndata: {"a": 1}\n\n\n\n', id="blank lines"),
    ],
)
def test_an_event_is_read_by_the_standard_at_every_cut_of_its_bytes(stream: bytes, end: bytes) -> None:
    stream = stream.replace(b"\n", end)
    for place in range(len(stream) + 1):
        decoder = EventDecoder()
        events = [*decoder.add(stream[:place]), *decoder.add(stream[place:]), *decoder.end()]
        assert [json.loads(event.data) for event in events] == [{"a": 1}]


@given(st.lists(st.text(st.characters(codec="utf-8")), max_size=4), st.data())
def test_no_character_but_the_standards_ends_a_line(texts: list[str], data: st.DataObject) -> None:
    events = [json.dumps({"text": text}, ensure_ascii=False).encode() for text in texts]
    stream = b"".join(
        b"data: " + event + data.draw(st.sampled_from([b"\n\n", b"\r\n\r\n", b"\r\r"])) for event in events
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    decoder = EventDecoder()
    read_events = [
        event
        for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True)
        for event in decoder.add(stream[start:stop])
    ]
    assert [json.loads(event.data)["text"] for event in [*read_events, *decoder.end()]] == texts


def test_events_without_blank_lines_between_them_are_events() -> None:
    lines = [json.dumps(event) for event in (delta({"content": "a"}), delta({"content": "b"}), STOP)]
    reader, shown = read("".join(f"data: {line}\n" for line in [*lines, "[DONE]"]).encode())
    assert (shown, reader.content, reader.finish_reason) == ("ab", "ab", "stop")


@pytest.mark.parametrize("empty", [delta(None), {"choices": []}, {"choices": None}, {"model": "m"}, delta({})])
def test_an_event_without_a_part_of_the_reply_changes_nothing(empty: Json) -> None:
    reader, shown = read(empty, delta({"content": "a"}), empty, STOP, empty)
    assert (shown, reader.content, reader.finish_reason) == ("a", "a", "stop")


def test_nothing_is_read_after_the_end() -> None:
    reader, shown = read(delta({"content": "a"}), STOP, b"data: [DONE]\n\n", delta({"content": "b"}))
    assert (shown, reader.is_over) == ("a", True)


def test_an_event_that_the_connection_cut_is_no_event() -> None:
    reader, shown = read(delta({"content": "a"}), b'data: {"choices": [{"del')
    assert (shown, reader.ended) == ("a", None)


@pytest.mark.parametrize("body", [b"", b"half {", b"7", b"[]", b'["a"]', b"[" * 100_000, b'{"choices": 7}'])
def test_what_is_no_reply_is_said_so(body: bytes) -> None:
    with pytest.raises(NotReadable):
        read_whole(body)


# Characters.


@given(st.text(st.characters(min_codepoint=0xD7FE, max_codepoint=0x1F700), max_size=12), st.data())
def test_halves_of_characters_are_joined_at_every_cut_and_replaced_where_one_is_alone(
    text: str, data: st.DataObject
) -> None:
    units = [chr(unit) for unit in memoryview(text.encode("utf-16-le", "surrogatepass")).cast("H")]
    joiner, shown = CharacterJoiner(), ""
    while units:
        count = data.draw(st.integers(1, len(units)))
        shown += joiner.add("".join(units[:count]))
        del units[:count]
    shown += joiner.rest()
    assert shown == whole_characters(text)
    shown.encode()
    assert shown == text or any("\ud800" <= letter <= "\udfff" for letter in text)


@pytest.mark.parametrize(
    ("pieces", "whole"),
    [
        (["Great \ud83d", "\ude42 news"], "Great 🙂 news"),
        (["Great \ud83d", " news"], "Great \ufffd news"),
        (["Great \ud83d"], "Great \ufffd"),
        (["\ude42\ud83d\ud83d", "\ude42"], "\ufffd\ufffd🙂"),
    ],
)
def test_a_character_in_two_pieces_is_one_and_a_half_is_replaced(pieces: list[str], whole: str) -> None:
    reader, shown = read(*(delta({"content": piece}) for piece in pieces), STOP)
    assert shown == reader.content == whole
    reader, _ = read(*calls(call("say", "", id="1"), *({"function": {"arguments": piece}} for piece in pieces)), STOP)
    assert reader.tool_calls[0].arguments == whole


# Reasoning and refusals.


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


# Usage and log probabilities.

ODD = Usage(None, None, 0, "prompt_tokens = not a count, completion_tokens = not a count")


@pytest.mark.parametrize(
    ("reported", "usage"),
    [
        ({"prompt_tokens": 0, "completion_tokens": 2}, Usage(0, 2)),
        ({"prompt_tokens": 9, "completion_tokens": 0}, Usage(9, 0)),
        ({"prompt_tokens": 9, "completion_tokens": None}, Usage(9, None)),
        ({"prompt_tokens": 9}, Usage(9, None)),
        ({"prompt_tokens": "9", "completion_tokens": 2.0}, Usage(9, 2)),
        ({"prompt_tokens": 9, "completion_tokens": -1}, Usage(9, None, 0, "completion_tokens = -1")),
        ({"prompt_tokens": float("nan"), "completion_tokens": 2}, Usage(None, 2, 0, "prompt_tokens = nan")),
        ({"prompt_tokens": True, "completion_tokens": "x"}, ODD),
        ({"prompt_tokens": 10**15, "completion_tokens": 2}, Usage(10**15, 2)),
        ("none", Usage(None, None)),
        (None, Usage(None, None)),
        ({"input_tokens": 0, "output_tokens": 2, "cache_read_input_tokens": None}, Usage(0, 2)),
    ],
)
def test_zero_is_a_number_and_what_is_none_is_missing(reported: Any, usage: Usage) -> None:
    reader, _ = read({**STOP, "usage": reported})
    assert reader.usage == usage


def test_a_count_of_thousands_of_digits_is_no_count() -> None:
    event = json.dumps({**STOP, "usage": {"prompt_tokens": 9, "completion_tokens": 7}}).replace("7", "9" * 5000)
    reader, _ = read(f"data: {event}\n\n".encode())
    assert reader.usage == Usage(9, None, 0, "completion_tokens = inf")


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists, max_leaves=3))
def test_no_report_of_usage_stops_a_reply(value: Any) -> None:
    usage = {"prompt_tokens": value, "completion_tokens": value, "prompt_tokens_details": value}
    for report in (value, usage, {"input_tokens": value, "output_tokens": value, "cache_read_input_tokens": value}):
        reader, shown = read({**delta({"content": "a"}), "usage": report, "timings": value}, STOP)
        assert shown == "a"
        for count in (reader.usage.input_tokens, reader.usage.output_tokens):
            assert count is None or count >= 0


def test_a_token_without_a_log_probability_is_left_out() -> None:
    tokens = [{"token": "a", "logprob": -1, "top_logprobs": None}, {"token": "b", "logprob": None}]
    reader, _ = read({"choices": [{"delta": {"content": "ab"}, "logprobs": {"content": tokens}}]}, STOP)
    assert reader.logprobs == (TokenLogprob("a", -1.0, ()),)


# Errors, and anything at all.


@pytest.mark.parametrize(
    "event",
    [
        {"error": {"message": "x"}},
        {"error": "x", "choices": []},
        {"object": "error", "message": "x"},
        {"type": "error", "error": {"type": "overloaded_error"}},
        {"choices": [{"error": {"code": 502}, "delta": {}, "finish_reason": "error"}]},
        {"detail": "x"},
        {"message": "x", "code": 500},
        b'event: error\ndata: {"code": 500}\n\n',
        b"event: error\ndata: out of memory\n\n",
        b'data: [{"error": {"code": 429}}]\n\n',
    ],
)
def test_an_error_is_one_in_whatever_it_is_wrapped(event: Json | bytes) -> None:
    with pytest.raises(ErrorReply):
        read(event)
    if not isinstance(event, bytes):
        with pytest.raises(ErrorReply):
            read_whole(event)


@pytest.mark.parametrize("error", [None, "", {}, False])
def test_an_empty_error_is_none(error: object) -> None:
    reader, shown = read({**delta({"content": "a"}), "error": error}, STOP)
    assert shown == reader.content == "a"


FIELDS = ("choices", "delta", "message", "content", "tool_calls", "function", "arguments", "index", "id", "name")
MORE = ("type", "usage", "finish_reason", "text", "thinking", "reasoning", "content_block", "logprobs", "stop_reason")
KINDS = st.sampled_from(["message_start", "content_block_start", "content_block_delta", "text", "tool_use", "thinking"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2) | st.text(max_size=3) | KINDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(FIELDS + MORE), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(st.sampled_from(FIELDS + MORE), VALUES, max_size=5), max_size=3))
def test_any_json_is_read_or_refused_and_shown_as_it_is_saved(events: list[Json]) -> None:
    try:
        reader, shown = read(*events)
    except (NotReadable, ErrorReply):
        return
    assert shown == reader.content
    assert all(made.id for made in reader.tool_calls)
