"""Equipment of the tests of the reader of replies: events, and readings of a stream or of a whole reply."""

import json
from typing import Any

from activities.adapters.model_replies.reader import ReplyReader

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
