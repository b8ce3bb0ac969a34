"""Decodes server-sent events from bytes that may be cut anywhere, by the standard's rules, and their JSON."""

import json
import math
import re
from typing import Any, NamedTuple, cast

Json = dict[str, Any]

BOM = b"\xef\xbb\xbf"
LINE_END = re.compile(rb"\r\n|\n|\r")
"""The ends of a line in the standard. U+2028 and U+0085, at which `str.splitlines` cuts, belong to the text."""

DONE = b"[DONE]"
"""The data of the last event in OpenAI's protocol."""

LONGEST_NUMBER = 300
"""The digits of the longest integer that is read. A longer one is no count, and Python refuses to read the longest."""


class ServerEvent(NamedTuple):
    """One event of a stream."""

    kind: str
    """Its `event` field; empty if it has none."""
    data: bytes
    """Its `data` lines, joined by line feeds."""


class EventDecoder:
    """Decodes the events of one stream."""

    def __init__(self) -> None:
        self._line: list[bytes] = []
        self._first_line = True
        self._after_return = False
        self._kind = ""
        self._data: list[bytes] = []

    def add(self, piece: bytes) -> list[ServerEvent]:
        """Add the next bytes, and return the events that they complete."""
        if self._after_return and piece.startswith(b"\n"):  # the second half of a line end
            piece = piece[1:]
            self._after_return = False
        if not piece:
            return []
        self._after_return = piece.endswith(b"\r")
        *ends, rest = LINE_END.split(piece)
        events: list[ServerEvent] = []
        for end in ends:
            line = b"".join((*self._line, end)) if self._line else end
            self._line.clear()
            self._take(line, events)
        if rest:
            self._line.append(rest)
        return events

    def end(self) -> list[ServerEvent]:
        """Return the event that the stream ended in: many servers leave the blank line after their last one out."""
        events: list[ServerEvent] = []
        self._take(b"".join(self._line), events)
        self._take(b"", events)
        self._line.clear()
        return events

    def _take(self, line: bytes, events: list[ServerEvent]) -> None:
        if self._first_line:
            line, self._first_line = line.removeprefix(BOM), False
        if not line:
            if self._data:
                events.append(ServerEvent(self._kind, b"\n".join(self._data)))
            self._kind, self._data = "", []
            return
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
        elif name == b"event":
            self._kind = value.removeprefix(b" ").decode(errors="replace")


def objects_of(data: bytes) -> list[Json] | None:
    """Return the JSON objects in an event's data, or in a whole reply; None at `[DONE]`. Raises `ValueError`.

    They are one object by the protocol. Some servers wrap an error in a list, and some write no blank lines between
    events: then each line is an object, or the last one is `[DONE]`.
    """
    data = data.strip()
    if data == DONE:
        return None
    if data.endswith(b"\n" + DONE):
        data = data.removesuffix(DONE)
    try:
        parsed = _parsed(data)
    except ValueError:
        if b"\n" not in data:
            raise
        parsed = [_parsed(line) for line in data.split(b"\n") if line.strip()]
    objects = cast("list[object]", parsed) if isinstance(parsed, list) else [parsed]
    if not objects or not all(isinstance(item, dict) for item in objects):
        raise ValueError("no object")
    return cast("list[Json]", objects)


def _parsed(data: bytes) -> object:
    """Return the value of JSON. Bytes that are no UTF-8 become U+FFFD; halves of surrogate pairs stay as they are."""
    text = data.decode(errors="replace").removeprefix("\ufeff")
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None
    except json.JSONDecodeError:
        raise
    except ValueError:  # an integer with thousands of digits
        return json.loads(text, parse_int=_number)


def _number(digits: str) -> float:
    return int(digits) if len(digits) < LONGEST_NUMBER else math.inf
