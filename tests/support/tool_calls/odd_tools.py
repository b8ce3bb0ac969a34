"""Tools that do what tools must not do, for tests: raise, hang, return what is no text, and leave in doubt."""

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
    """What the odd tools have done, in this process."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.doubts = 1
        """How many of the next calls leave in doubt."""
        self.began = asyncio.Event()
        self.stopped = asyncio.Event()
        self.reconciled: Evidence = NeverWill()
        """What `reconcile` finds."""


def odd_tools(done: Calls) -> dict[str, Tool[Any]]:
    """The tools by name."""
    every = (*_reading(done), *_writing(done), *_in_doubt(done))
    return {one.name: one for one in every}


def _reading(done: Calls) -> tuple[Tool[Any], ...]:
    @tool(ToolEffect.READ_ONLY)
    async def raises(_context: ToolContext, _: Nothing) -> str:
        """Break."""
        raise RuntimeError("the words of an error are kept back")

    @tool(ToolEffect.READ_ONLY, timeout=SHORT)
    async def hangs(_context: ToolContext, _: Nothing) -> str:
        """Never end."""
        done.began.set()
        try:
            await asyncio.Event().wait()
        finally:
            done.stopped.set()
        return ""

    @tool(ToolEffect.READ_ONLY, timeout=timedelta(minutes=2))
    async def takes_long(_context: ToolContext, _: Nothing) -> str:
        """End when it is stopped."""
        done.began.set()
        try:
            await asyncio.Event().wait()
        finally:
            done.stopped.set()
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


def _writing(done: Calls) -> tuple[Tool[Any], ...]:
    @tool(ToolEffect.AT_MOST_ONCE, timeout=timedelta(minutes=2))
    async def writes_slowly(_context: ToolContext, note: Note) -> str:
        """Write, and end when it is stopped."""
        done.made.append(note.text)
        done.began.set()
        await asyncio.Event().wait()
        return ""

    return (cast("Tool[Any]", writes_slowly),)


def _in_doubt(done: Calls) -> tuple[Tool[Any], ...]:
    async def found(_context: ToolContext) -> Evidence:
        return done.reconciled

    def in_doubt(note: Note) -> str:
        done.made.append(note.text)
        if len(done.made) <= done.doubts:
            raise NoAnswer("the line went dead")
        return f"written as number {len(done.made)}"

    @tool(ToolEffect.AT_MOST_ONCE)
    async def doubtful(_context: ToolContext, note: Note) -> str:
        """Write, and leave in doubt whether it was."""
        return in_doubt(note)

    @tool(ToolEffect.AT_MOST_ONCE, timeout=SHORT, reconcile=found, settles_within=SHORT)
    async def can_be_asked(_context: ToolContext, note: Note) -> str:
        """Write, leave in doubt, and know how to find out."""
        return in_doubt(note)

    @tool(ToolEffect.IDEMPOTENT)
    async def repeatable(_context: ToolContext, note: Note) -> str:
        """Write under a key, and leave in doubt at first."""
        return in_doubt(note)

    return cast("tuple[Tool[Any], ...]", (doubtful, can_be_asked, repeatable))
