"""Decides which edition of a document applies on a day, from the documents' own dates. Pure functions."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from activities.ports import Issued

Key = tuple[str, int]
"""A document's id and its version."""


@dataclass(frozen=True)
class Editions:
    """The editions that apply on one day."""

    current: dict[Key, Key]
    """For every edition in force on that day or before it: the edition that applies in its place, or itself."""
    issued: dict[Key, Issued]

    def in_place_of(self, document: str, version: int) -> Key | None:
        """Return the edition that applies in place of this one, itself if it is newest; None if none applies yet."""
        return self.current.get((document, version))


def editions_on(day: date, issued: Iterable[Issued]) -> Editions:
    """Group editions into lineages (one id, or ids joined by `replaces`) and find the newest of each on a day.

    Newest is by effective date, then by version; an edition without a date is older than any with one. An edition
    that takes effect later than `day` does not apply yet and is left out.
    """
    by_key = {(edition.document, edition.version): edition for edition in issued}
    in_force = [edition for edition in by_key.values() if edition.effective is None or edition.effective <= day]
    root: dict[str, str] = {}

    def lineage(document: str) -> str:
        while document in root:
            document = root[document]
        return document

    for edition in sorted(in_force, key=_age):
        if edition.replaces is not None:
            old, new = lineage(edition.replaces), lineage(edition.document)
            if old != new:
                root[old] = new
    newest: dict[str, Issued] = {}
    for edition in sorted(in_force, key=_age):
        newest[lineage(edition.document)] = edition
    current: dict[Key, Key] = {}
    for edition in in_force:
        head = newest[lineage(edition.document)]
        current[edition.document, edition.version] = (head.document, head.version)
    return Editions(current, by_key)


def _age(edition: Issued) -> tuple[date, int, str]:
    """Return the sort key of editions, oldest first."""
    return (edition.effective or date.min, edition.version, edition.document)
