"""The platform's own worker for measured agents, with one more tool and guards that find nothing, at once.

Everything else is what `worker.py` composes: queues, interceptors, heartbeats, the model port, the tool boundary, the
SQLite blob store, the ledger and the saved replies. It takes the same arguments and settings.
"""

from collections.abc import Mapping
from typing import Any
from unittest import mock

import worker
from activities.ports import Guards
from tests.bench.stub_ports import StubGuards
from tests.bench.texts import TOOL, note
from tools.base import Tool, ToolArguments, ToolContext, ToolEffect, tool


class NoteNumber(ToolArguments):
    """Which note."""

    number: int


@tool(ToolEffect.READ_ONLY, quick=True)
async def read_note(_: ToolContext, arguments: NoteNumber) -> str:
    """Read the note of this number."""
    return note(arguments.number)


class PartsWithNotes(worker.Adapters):
    """The platform's adapters, with a tool that reads notes."""

    def all_tools(self) -> Mapping[str, Tool[Any]]:
        return {**super().all_tools(), TOOL: read_note}

    def guard_library(self) -> Guards:
        return StubGuards()


def main() -> None:
    """Serve as `worker.py` does."""
    with mock.patch.object(worker, "Adapters", PartsWithNotes):
        worker.main()


if __name__ == "__main__":
    main()
    worker.leave()
