"""What every token log agrees on: what an append adds, when an attempt has ended, and what a reader is shown."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from activities.ports import End, LogEntry, Piece, Position, Reset, StorageFailed
from perdure.contracts.chains.steps import StepKey

Mark = TypeVar("Mark")

START: Final = Position()
"""Where a reader is that has seen nothing."""


@dataclass(frozen=True)
class Head:
    """The newest attempt of a step, as far as it is written."""

    attempt: int
    length: int
    """Characters."""
    ended: bool


@dataclass(frozen=True)
class View(Generic[Mark]):
    """What a reader sees of a step at one moment."""

    head: Head | None
    """None where no attempt has begun, or where the newest is behind a closed gate."""
    pieces: Sequence[tuple[int, str]]
    """Where each begins, and its text, in order; from the piece that holds the reader's position."""
    whole: bool
    """Whether these are all pieces that there are; false where another look would find more at once."""
    mark: Mark
    """What to wait by: something that is seen after this moment differs from it."""


def unwritten(key: StepKey, head: Head | None, position: Position, text: str) -> str:
    """What of `text` is still to be written, which is at the end of the attempt; empty where nothing is.

    The first text at a position stays. Raises `StorageFailed` for an attempt that was not begun or has ended, and for
    a position beyond its end.
    """
    head = _begun(key, head, position)
    if head.attempt > position.attempt:
        return ""
    if position.offset > head.length:
        raise StorageFailed(
            f"{_named(key, position)} holds {head.length} characters, nothing can be written at {position.offset}: "
            "what comes between is missing"
        )
    rest = text[head.length - position.offset :]
    if rest and head.ended:
        raise StorageFailed(f"{_named(key, position)} ended after {head.length} characters: begin another attempt")
    return rest


def unended(key: StepKey, head: Head | None, position: Position) -> bool:
    """Whether the end is still to be written. Raises `StorageFailed` where the attempt would end anywhere else."""
    head = _begun(key, head, position)
    if head.attempt > position.attempt:
        return False
    if position.offset != head.length:
        raise StorageFailed(
            f"{_named(key, position)} holds {head.length} characters, it cannot end at {position.offset}: "
            "end it where its text ends"
        )
    return not head.ended


async def follow(
    look: Callable[[Position], Awaitable[View[Mark]]], wait: Callable[[Mark], Awaitable[None]], after: Position
) -> AsyncGenerator[LogEntry]:
    """Read a log: look, tell what is new, wait for a change, and again, until the newest attempt has ended."""
    at = after
    while True:
        view = await look(at)
        for entry in _news(view, at):
            at = entry.position
            yield entry
            if isinstance(entry, End):
                return
        if view.whole:
            await wait(view.mark)


def _news(view: View[Mark], at: Position) -> Iterator[LogEntry]:
    head = view.head
    if head is None:
        return
    if head.attempt != at.attempt:
        at = Position(head.attempt)
        yield Reset(at)
    for start, text in view.pieces:
        rest = text[max(0, at.offset - start) :]
        if rest:
            at = Position(at.attempt, start + len(text))
            yield Piece(rest, at)
    if head.ended and at.offset >= head.length:
        yield End(Position(head.attempt, head.length))


def _begun(key: StepKey, head: Head | None, position: Position) -> Head:
    """The newest attempt: the position's, or a later one, and then nothing of the position's counts any more."""
    if head is None or head.attempt < position.attempt:
        raise StorageFailed(f"{_named(key, position)} was not begun, or was forgotten: begin it first")
    return head


def _named(key: StepKey, position: Position) -> str:
    return f"the token log of {key.step!r} of the run {key.run_id!r}, attempt {position.attempt},"
