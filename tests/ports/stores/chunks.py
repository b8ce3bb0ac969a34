"""Chunks for the tests of vector stores."""

from datetime import date

from activities.ports import Chunk

AXIS = [1.0] + [0.0] * 383
"""A vector."""


def chunk(
    number: int,
    text: str,
    vector: list[float],
    *,
    document: str = "handbook",
    version: int = 1,
    effective: date | None = date(2026, 3, 1),
) -> Chunk:
    """A chunk of a document."""
    return Chunk(document, version, "Handbook", effective, None, number, text, tuple(vector))
