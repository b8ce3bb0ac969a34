"""Usage, log probabilities and errors of a reply are read in any shape, and no JSON breaks the reader."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.model_replies.reader import ErrorReply, NotReadable
from activities.ports import TokenLogprob, Usage
from tests.ports.model_replies.reply_cases import STOP, Json, delta, read, read_whole

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
