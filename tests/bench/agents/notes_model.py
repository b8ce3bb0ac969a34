"""The stub model of the agents' benchmarks: it asks for the number of notes in its task, one by one, and answers.

Its reply depends only on the number of assistant messages in the conversation.
"""

import re
from typing import Any

from deploy.testing.stub.replies import Json
from tests.bench.texts import TOOL
from tests.support.servers.stub_model import StubHandler, StubModel

ANSWER = "All notes are read."

_NOTES = re.compile(r"Read (\d+) notes")


class NotesModel(StubModel):
    """A stub over real HTTP with native tool calls. It counts its calls and stores none, since they may be large."""

    calls: int

    def __init__(self) -> None:
        super().__init__(0, handler=PromptHandler)

    def count(self, request: Json) -> Any:
        with self.lock:
            self.calls += 1
        return _reply(request["messages"])


class PromptHandler(StubHandler):
    """Sends head and body of a reply without waiting for the first one's acknowledgement."""

    disable_nagle_algorithm = True


def task(calls: int, size: int, name: str) -> str:
    """Return a task that takes `calls` model calls, padded to `size` bytes."""
    text = f"Read {calls - 1} notes, one after the other, and then say that it is done. This is the task {name}."
    filler = "\nThe rules of the archive are told here once more, for everybody who reads in it."
    return (text + filler * (size // len(filler) + 1))[: max(size, len(text))]


def _reply(messages: list[Json]) -> Json:
    note_count = next(count for message in messages if message["role"] == "user" for count in _note_counts(message))
    replies = sum(message["role"] == "assistant" for message in messages)
    if replies < note_count:
        return {"tool_calls": [{"name": TOOL, "arguments": {"number": replies + 1}}]}
    return {"content": ANSWER}


def _note_counts(message: Json) -> list[int]:
    match = _NOTES.search(str(message["content"]))
    return [int(match[1])] if match else []
