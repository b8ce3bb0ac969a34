"""Parsers for values that are typed on a command line. Every invalid value is a line of a `BadInput`."""

import getpass
import json
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypeVar

from perdure.contracts.budget import LARGEST_LIMIT, Budget
from perdure.contracts.contract import BadInput
from perdure.contracts.text import INLINE_LIMIT
from perdure.runs import checked_id

_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_SPAN = re.compile(r"(\d{1,9})([dhms])")

Value = TypeVar("Value")

UNREAD = "?"
"""A text in the place of one that cannot be read, so that the other mistakes of the line are found too."""

LARGEST_FILE = 10 * INLINE_LIMIT
"""The largest file, in bytes. A larger one cannot be a question, arguments or a credential."""


class Mistakes:
    """The mistakes of one command line: all of them are reported together, each in its line."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def read(self, parse: Callable[[], Value], otherwise: Value) -> Value:
        """Return what `parse` returns; `otherwise` where the value is invalid, and note why."""
        try:
            return parse()
        except BadInput as error:
            self._lines += [line for line in str(error).split("\n") if line not in self._lines]
            return otherwise

    def note(self, line: str) -> None:
        """Note a mistake."""
        self._lines.append(line)

    def stop(self) -> None:
        """Raise `BadInput` with all mistakes, if there were any."""
        if self._lines:
            raise BadInput("\n".join(self._lines))


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
    mistakes = Mistakes()
    if dollars is not None:
        typed["micro_dollars"] = mistakes.read(lambda: micro_dollars(dollars), None)
    if until is not None:
        typed["until"] = mistakes.read(lambda: moment(until, "--until"), None)
    fields = {**dict(default), **{name: value for name, value in typed.items() if value is not None}}
    limits = mistakes.read(lambda: Budget.strictly(fields), default)
    mistakes.stop()
    return limits


def micro_dollars(typed: str) -> int:
    """Return an amount of dollars in millionths of a dollar, its smallest part."""
    try:
        amount = Decimal(typed)
        if not amount.is_finite() or amount.adjusted() > len(str(LARGEST_LIMIT)):
            raise BadInput(f"--dollars: {typed[:60]!r} is no amount: write 0.05")
        millionths = amount * 1_000_000
    except InvalidOperation:
        raise BadInput(f"--dollars: {typed[:60]!r} is no amount: write 0.05") from None
    if millionths != (whole := int(millionths)):
        raise BadInput(f"--dollars: {typed[:60]!r} is finer than a millionth of a dollar: write 0.000001 or more")
    return whole


def name_of(by: str | None) -> str:
    """Return the name that was typed, or the user's login name."""
    try:
        return getpass.getuser() if by is None else by
    except (KeyError, OSError):
        raise BadInput("--by: nobody is logged in here: say who you are with --by NAME") from None


def limit_of(mistakes: Mistakes, within: str | None, run_id: str | None) -> float | None:
    """Return how long to wait for a run, in seconds, and raise `BadInput` with all mistakes of the command line."""
    limit = None if within is None else mistakes.read(lambda: span(within, "--within").total_seconds(), None)
    if run_id is not None:
        mistakes.read(lambda: checked_id(run_id, "--id"), "")
    mistakes.stop()
    return limit
