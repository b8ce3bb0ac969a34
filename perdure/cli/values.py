"""Parsers for values that are typed on a command line. Every invalid value is a one-line `BadInput`."""

import json
import re
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from perdure.contracts.budget import Budget
from perdure.contracts.contract import BadInput
from perdure.contracts.text import INLINE_LIMIT

_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_SPAN = re.compile(r"(\d{1,9})([dhms])")

LARGEST_FILE = 10 * INLINE_LIMIT
"""The largest file, in bytes. A larger one cannot be a question, arguments or a credential."""


def span(typed: str, option: str) -> timedelta:
    """Return the time span of `90s`, `15m`, `6h`, `7d` or `1h30m`."""
    parts = _SPAN.findall(typed)
    if not parts or "".join(number + unit for number, unit in parts) != typed:
        raise BadInput(f"{option}: {typed!r} is no time: write 90s, 15m, 6h, 7d or 1h30m")
    try:
        return sum((timedelta(**{_UNITS[unit]: int(number)}) for number, unit in parts), timedelta())
    except OverflowError:
        raise BadInput(f"{option}: {typed!r} is too long: write a time that ends") from None


def moment(typed: str, option: str) -> datetime:
    """Return the moment of `2026-11-24T20:10:00+01:00`; without a zone it is UTC."""
    try:
        read = datetime.fromisoformat(typed)
    except ValueError:
        raise BadInput(f"{option}: {typed!r} is no moment: write 2026-11-24T20:10:00+01:00") from None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def words(typed: str, what: str) -> str:
    """Return the text that was typed; `-` reads standard input, `@FILE` reads a file."""
    if typed == "-":
        return _text(sys.stdin.buffer.read(LARGEST_FILE + 1), what, "standard input")
    if typed.startswith("@"):
        return from_file(Path(typed[1:]), what)
    return typed


def from_file(path: Path, what: str) -> str:
    """Return the text of a file."""
    try:
        with path.open("rb") as file:
            return _text(file.read(LARGEST_FILE + 1), what, str(path))
    except (OSError, ValueError) as error:
        raise BadInput(f"{what}: cannot read {str(path)!r}: {getattr(error, 'strerror', None) or error}") from None


def _text(data: bytes, what: str, where: str) -> str:
    if len(data) > LARGEST_FILE:
        raise BadInput(f"{what}: {where} has more than {LARGEST_FILE:,} bytes: send less")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise BadInput(f"{what}: {where} is not UTF-8 text: send text, not binary data") from None


def json_object(typed: str, option: str) -> dict[str, Any]:
    """Return a JSON object that was typed, or from `@FILE`."""
    text = words(typed, option)
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{option}: is not JSON: {error} (got {text[:60]!r})") from None
    if not isinstance(value, dict):
        raise BadInput(f"{option}: is no JSON object: write {{...}} (got {text[:60]!r})")
    return value  # pyright: ignore[reportUnknownVariableType] - JSON


def pair(typed: str, option: str) -> tuple[str, Any]:
    """Return the name and the value of `NAME=VALUE`: the value as JSON where it can be parsed, otherwise as text."""
    name, equals, value = typed.partition("=")
    if not (name and equals):
        raise BadInput(f"{option}: {typed!r} names nothing: write NAME=VALUE")
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):
        return name, value


def budget(
    default: Budget, *, dollars: str | None, steps: int | None, tool_calls: int | None, until: str | None
) -> Budget:
    """Return the default budget, changed by the limits that were typed."""
    typed: dict[str, Any] = {"steps": steps, "tool_calls": tool_calls}
    if dollars is not None:
        try:
            typed["micro_dollars"] = int(Decimal(dollars) * 1_000_000)
        except (InvalidOperation, ValueError, OverflowError):
            raise BadInput(f"--dollars: {dollars!r} is no amount: write 0.05") from None
    if until is not None:
        typed["until"] = moment(until, "--until")
    return Budget.strictly({**dict(default), **{name: value for name, value in typed.items() if value is not None}})
