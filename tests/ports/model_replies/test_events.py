"""Events and characters of a reply are read by their standards, at every cut of their bytes and texts."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.model_replies.characters import CharacterJoiner, whole_characters
from activities.adapters.model_replies.events import EventDecoder
from activities.adapters.model_replies.reader import NotReadable
from tests.ports.model_replies.reply_cases import STOP, Json, call, calls, delta, read, read_whole


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
