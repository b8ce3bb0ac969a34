"""Tools that misbehave, for tests: they raise, hang, return no text, or leave their outcome in doubt."""

import asyncio
from datetime import timedelta
from typing import Any, cast

from tools.base import Tool, ToolArguments, ToolContext, ToolEffect, tool
from tools.errors import NoAnswer
from tools.evidence import Evidence, NeverWill

SHORT = timedelta(milliseconds=300)


class Nothing(ToolArguments):
    """No arguments."""


class Note(ToolArguments):
    """What to write down."""

    text: str
    """The words."""


class Calls:
    """The calls of the odd tools in this process."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.doubts = 1
        """The number of next calls that are left in doubt."""
        self.began = asyncio.Event()
        self.stopped = asyncio.Event()
        self.reconciled: Evidence = NeverWill()
        """The evidence that `reconcile` returns."""


def odd_tools(calls: Calls) -> dict[str, Tool[Any]]:
    """Return the tools by name."""
    every = (*_reading(calls), *_writing(calls), *_in_doubt(calls))
    return {one.name: one for one in every}


def _reading(calls: Calls) -> tuple[Tool[Any], ...]:
    @tool(ToolEffect.READ_ONLY)
    async def raises(_context: ToolContext, _: Nothing) -> str:
        """Break."""
        raise RuntimeError("the words of an error are kept back")

    @tool(ToolEffect.READ_ONLY, timeout=SHORT)
    async def hangs(_context: ToolContext, _: Nothing) -> str:
        """Never end."""
        calls.began.set()
        try:
            await asyncio.Event().wait()
        finally:
            calls.stopped.set()
        return ""

    @tool(ToolEffect.READ_ONLY, timeout=timedelta(minutes=2))
    async def takes_long(_context: ToolContext, _: Nothing) -> str:
        """End when it is stopped."""
        calls.began.set()
        try:
            await asyncio.Event().wait()
        finally:
            calls.stopped.set()
        return ""

    @tool(ToolEffect.READ_ONLY)
    async def is_large(_context: ToolContext, _: Nothing) -> str:
        """Return 5 MB."""
        return "word " * 1_000_000

    @tool(ToolEffect.READ_ONLY)
    async def is_binary(_context: ToolContext, _: Nothing) -> str:
        """Return bytes."""
        return cast("str", b"\x00\x01\x02")

    return cast("tuple[Tool[Any], ...]", (raises, hangs, takes_long, is_large, is_binary))


def _writing(calls: Calls) -> tuple[Tool[Any], ...]:
    @tool(ToolEffect.AT_MOST_ONCE, timeout=timedelta(minutes=2))
    async def writes_slowly(_context: ToolContext, note: Note) -> str:
        """Write, and end when it is stopped."""
        calls.made.append(note.text)
        calls.began.set()
        await asyncio.Event().wait()
        return ""

    return (cast("Tool[Any]", writes_slowly),)


def _in_doubt(calls: Calls) -> tuple[Tool[Any], ...]:
    async def reconcile(_context: ToolContext) -> Evidence:
        return calls.reconciled

    def in_doubt(note: Note) -> str:
        calls.made.append(note.text)
        if len(calls.made) <= calls.doubts:
            raise NoAnswer("the line went dead")
        return f"written as number {len(calls.made)}"

    @tool(ToolEffect.AT_MOST_ONCE)
    async def doubtful(_context: ToolContext, note: Note) -> str:
        """Write, and leave in doubt whether it was."""
        return in_doubt(note)

    @tool(ToolEffect.AT_MOST_ONCE, timeout=SHORT, reconcile=reconcile, settles_within=SHORT)
    async def can_be_asked(_context: ToolContext, note: Note) -> str:
        """Write, leave in doubt, and know how to find out."""
        return in_doubt(note)

    @tool(ToolEffect.IDEMPOTENT)
    async def repeatable(_context: ToolContext, note: Note) -> str:
        """Write under a key, and leave in doubt at first."""
        return in_doubt(note)

    return cast("tuple[Tool[Any], ...]", (doubtful, can_be_asked, repeatable))
