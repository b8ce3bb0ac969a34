"""Finished spans, as a tree of names, by name, and as all the text that they contain."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias, cast

from opentelemetry.sdk.trace import ReadableSpan

Tree: TypeAlias = dict[str, "Tree"]

WORDS = 4
"""The words of a piece of a text. Fewer could stand in a message of our own by chance."""


class Recorded:
    """The spans that have ended since a test began."""

    def __init__(self, finished: Callable[[], list[ReadableSpan]]) -> None:
        self._finished = finished

    def every_end(self) -> list[ReadableSpan]:
        """Return the spans as they ended, one that ended again too."""
        return self._finished()

    def all(self) -> list[ReadableSpan]:
        """Return each span once.

        A workflow task that ran out of time on a busy machine is run again, and its spans end again: under the same
        ids, which come from the run's own random numbers. Whoever receives them keeps one of each, and so do we.
        """
        return list({_identity(span): span for span in self.every_end()}.values())

    def tree(self) -> Tree:
        """Return the names of spans as a tree, the earliest first. Siblings never share a name here."""
        return _below(None, self.all())

    def attributes(self, name: str) -> dict[str, object]:
        """Return the attributes of the only span of this name."""
        return dict(self._only(name).attributes or {})

    def milliseconds(self, name: str) -> float:
        """Return the duration of the only span of this name."""
        span = self._only(name)
        return ((span.end_time or 0) - (span.start_time or 0)) / 1_000_000

    def _only(self, name: str) -> ReadableSpan:
        (span,) = [span for span in self.all() if span.name == name]
        return span


def _identity(span: ReadableSpan) -> tuple[int, int]:
    assert span.context is not None
    return span.context.trace_id, span.context.span_id


def _below(parent: int | None, spans: list[ReadableSpan]) -> Tree:
    below: Tree = {}
    for span in sorted(spans, key=lambda span: span.start_time or 0):
        if (span.parent.span_id if span.parent else None) == parent:
            assert span.name not in below, f"two spans {span.name!r} below one parent"
            assert span.context is not None
            below[span.name] = _below(span.context.span_id, spans)
    return below


def leaked(spans: Iterable[ReadableSpan], texts: Iterable[str]) -> set[str]:
    """Return the pieces of these texts that occur anywhere in these spans."""
    # JSON holds all of a span: name, status, attributes, events with their messages and stack traces, resource.
    content = " ".join(
        word for span in spans for string in strings(json.loads(span.to_json())) for word in string.split()
    )
    return {piece for text in texts for piece in pieces(text) if piece in content}


def strings(value: Any) -> Iterator[str]:
    """Return every string in a JSON value, keys too."""
    match value:
        case str():
            yield value
        case dict():
            for key, part in cast("dict[str, Any]", value).items():
                yield key
                yield from strings(part)
        case list():
            for part in cast("list[Any]", value):
                yield from strings(part)
        case _:
            pass


def pieces(text: str) -> set[str]:
    """Return every piece of `WORDS` words in a row."""
    words = text.split()
    return {" ".join(words[place : place + WORDS]) for place in range(len(words) - WORDS + 1)}
