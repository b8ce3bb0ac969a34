"""The bench's own stub model for agents: it asks for one note after the other, as many as its task says, then answers.

Each conversation is its own script: what the stub says depends only on how often the assistant has spoken in it.
"""

import re
from typing import Any

from deploy.testing.stub.replies import Json
from tests.bench.texts import TOOL
from tests.support.servers.stub_model import StubHandler, StubModel

ANSWER = "All notes are read."

_NOTES = re.compile(r"Read (\d+) notes")


class NotesModel(StubModel):
    """Real HTTP, 0 ms, native tool calls. It counts its calls and keeps none of them: they may be large."""

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
    """A task that takes so many calls of the model, padded to so many bytes."""
    text = f"Read {calls - 1} notes, one after the other, and then say that it is done. This is the task {name}."
    filler = "\nThe rules of the archive are told here once more, for everybody who reads in it."
    return (text + filler * (size // len(filler) + 1))[: max(size, len(text))]


def _reply(messages: list[Json]) -> Json:
    asked = next(found for message in messages if message["role"] == "user" for found in _wanted(message))
    said = sum(message["role"] == "assistant" for message in messages)
    if said < asked:
        return {"tool_calls": [{"name": TOOL, "arguments": {"number": said + 1}}]}
    return {"content": ANSWER}


def _wanted(message: Json) -> list[int]:
    found = _NOTES.search(str(message["content"]))
    return [int(found[1])] if found else []
