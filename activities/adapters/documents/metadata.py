"""Reads what a document says about itself; what cannot be read is objected to, and stops nothing."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Self

from activities.text.values.dates import dates

NAMES = ("id", "title", "version", "date", "replaces")
"""The metadata that has a meaning here."""

_NUMBER = re.compile(r"v?\.?\s{0,9}([0-9]{1,9})(?![0-9])", re.IGNORECASE)
_DAY = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:$|[T ])")
_MAX_VERSION = 10**9
_LONGEST = 200
"""The longest id, in characters."""


@dataclass(frozen=True)
class Metadata:
    """What a document says about itself."""

    id: str | None
    title: str | None
    version: int
    """1 where the document does not say."""
    effective: date | None
    replaces: str | None
    objections: tuple[str, ...]
    """What could not be read as it was meant, each in plain words."""

    @classmethod
    def read(cls, stated: dict[str, str]) -> Self:
        """Read the metadata by its names; blank values are missing ones."""
        given = {name: value for name, value in stated.items() if value.strip()}
        objections: list[str] = []
        return cls(
            id=_name(given.get("id"), "id", objections),
            title=given.get("title"),
            version=_version(given.get("version"), objections),
            effective=_effective(given.get("date"), objections),
            replaces=_name(given.get("replaces"), "replaces", objections),
            objections=tuple(objections),
        )


def _name(value: str | None, of: str, objections: list[str]) -> str | None:
    if value is not None and len(value) > _LONGEST:
        objections.append(f"metadata {of!r} of {len(value)} characters, which is too long to be one")
        return None
    return value


def _version(value: str | None, objections: list[str]) -> int:
    if value is None:
        return 1
    if value.isascii() and value.isdigit() and len(value) <= len(str(_MAX_VERSION)):
        return int(value)
    leading = _NUMBER.match(value)
    version = int(leading[1]) if leading else 1
    objections.append(f"metadata 'version' is {value[:60]!r}, read as {version} (write a whole number, such as 2)")
    return version


def _effective(value: str | None, objections: list[str]) -> date | None:
    if value is None:
        return None
    if day := _DAY.match(value):
        try:
            return date(int(day[1]), int(day[2]), int(day[3]))
        except ValueError:
            pass
    readings = {reading for written in dates(value) for reading in written.readings}
    if len(readings) == 1:
        return date.fromisoformat(readings.pop())
    objections.append(f"metadata 'date' is {value[:60]!r}, which names no one day (write it as 2026-03-01)")
    return None
