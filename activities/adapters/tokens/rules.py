"""The rules that every token log follows: the text an append adds, the end of an attempt, the entries a reader gets."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from activities.ports import End, LogEntry, Piece, Position, Reset, StorageFailed
from perdure.contracts.chains.steps import StepKey

Mark = TypeVar("Mark")

START: Final = Position()
"""The position of a reader that has read nothing."""


@dataclass(frozen=True)
class Head:
    """The newest attempt of a step, as far as it is written."""

    attempt: int
    length: int
    """The text's length, in characters."""
    ended: bool


@dataclass(frozen=True)
class View(Generic[Mark]):
    """The part of a step's log that a reader gets at one moment."""

    head: Head | None
    """The newest attempt; None where no attempt has begun, or where the newest is behind a closed gate."""
    pieces: Sequence[tuple[int, str]]
    """The offset and the text of each piece, in order, from the piece that holds the reader's position."""
    whole: bool
    """Whether these are all pieces; false where another read would return more at once."""
    mark: Mark
    """The version of the log at this moment, to wait for a later one."""


def missing_text(key: StepKey, head: Head | None, position: Position, text: str) -> str:
    """Return the end of `text` that is still to be written; empty where all of it is written.

    The first text at a position stays. Raises `StorageFailed` for an attempt that was not begun or has ended, and for
    a position beyond its end.
    """
    head = _require_begun(key, head, position)
    if head.attempt > position.attempt:  # a later attempt has begun: nothing of this one is kept
        return ""
    if position.offset > head.length:
        raise StorageFailed(
            f"{_described(key, position)} holds {head.length} characters, nothing can be written at {position.offset}: "
            "what comes between is missing"
        )
    rest = text[head.length - position.offset :]
    if rest and head.ended:
        raise StorageFailed(f"{_described(key, position)} ended after {head.length} characters: begin another attempt")
    return rest


def is_end_missing(key: StepKey, head: Head | None, position: Position) -> bool:
    """Return whether the end is still to be written. Raises `StorageFailed` unless the text ends at `position`."""
    head = _require_begun(key, head, position)
    if head.attempt > position.attempt:
        return False
    if position.offset != head.length:
        raise StorageFailed(
            f"{_described(key, position)} holds {head.length} characters, it cannot end at {position.offset}: "
            "end it where its text ends"
        )
    return not head.ended


async def follow(
    look: Callable[[Position], Awaitable[View[Mark]]], wait: Callable[[Mark], Awaitable[None]], after: Position
) -> AsyncGenerator[LogEntry]:
    """Follow a log: read, yield the new entries, wait for a change, and repeat, until the newest attempt has ended.

    `look` reads the log from a position on; `wait` returns once the log is newer than the mark.
    """
    position = after
    while True:
        view = await look(position)
        for entry in _new_entries(view, position):
            position = entry.position
            yield entry
            if isinstance(entry, End):
                return
        if view.whole:
            await wait(view.mark)


def _new_entries(view: View[Mark], position: Position) -> Iterator[LogEntry]:
    head = view.head
    if head is None:
        return
    if head.attempt != position.attempt:
        position = Position(head.attempt)
        yield Reset(position)
    for start, text in view.pieces:
        rest = text[max(0, position.offset - start) :]
        if rest:
            position = Position(position.attempt, start + len(text))
            yield Piece(rest, position)
    if head.ended and position.offset >= head.length:
        yield End(Position(head.attempt, head.length))


def _require_begun(key: StepKey, head: Head | None, position: Position) -> Head:
    """Return the newest attempt: that of the position, or a later one, which makes the position obsolete.

    Raises `StorageFailed` where the position's attempt was not begun.
    """
    if head is None or head.attempt < position.attempt:
        raise StorageFailed(f"{_described(key, position)} was not begun, or was forgotten: begin it first")
    return head


def _described(key: StepKey, position: Position) -> str:
    return f"the token log of {key.step!r} of the run {key.run_id!r}, attempt {position.attempt},"
