"""The output of commands: for people in a terminal, in plain columns for pipes, or as JSON."""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from rich.console import Console
from rich.text import Text

from perdure.cli.layout import table
from perdure.contracts.legibility import spelled_out


def plain(text: str) -> str:
    """Return text of a model, a tool or a person so that it is safe to show: control characters are spelled out."""
    return spelled_out(text)


def one_line(text: str, width: int = 0) -> str:
    """Return the text in one line, of at most `width` characters; with 0 of any length."""
    line = " ".join(plain(text).split())
    return line if not width or len(line) <= width else line[: width - 1] + "…"


def ago(moment: datetime) -> str:
    """Return roughly how long ago a moment was."""
    elapsed = max(timedelta(0), datetime.now(UTC) - moment)
    for unit, length in (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("m", timedelta(minutes=1))):
        if elapsed >= length:
            return f"{elapsed // length}{unit} ago"
    return f"{elapsed.seconds}s ago"


class Output:
    """The output of a command: the result to standard output, everything about it to standard error."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._out = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)
        self._err = Console(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)

    def json(self, value: Any) -> None:
        """Print one line of JSON on standard output."""
        sys.stdout.write(json.dumps(_jsonable(value)) + "\n")
        sys.stdout.flush()

    def answer(self, text: str) -> None:
        """Print the result word for word. A terminal gets no control characters."""
        sys.stdout.write((plain(text) if sys.stdout.isatty() else text) + "\n")
        sys.stdout.flush()

    def say(self, *lines: str | Text) -> None:
        """Print lines of the result, for people."""
        self._print(self._out, lines)

    def note(self, *lines: str | Text) -> None:
        """Print lines about the result, for people: on standard error, so that a pipe gets only the result."""
        self._print(self._err, lines)

    def _print(self, console: Console, lines: Sequence[str | Text]) -> None:
        if self.as_json and console is self._out:
            return
        for line in lines:
            console.print(plain(line) if isinstance(line, str) else line)

    def rows(self, columns: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[str] = ()) -> None:
        """Print a table in a terminal; elsewhere lines with tabs between the columns. `right`: columns of numbers."""
        listed = [[one_line(cell) for cell in row] for row in rows]
        if not sys.stdout.isatty():
            sys.stdout.write("".join("\t".join(row) + "\n" for row in listed))
            return
        if listed:
            for line in table(columns, listed, self._out.width, right):
                self._out.print(line)


def _jsonable(value: Any) -> Any:  # noqa: PLR0911 - a line for each kind of value
    match value:
        case BaseModel():
            return value.model_dump(mode="json")
        case Path():
            return str(value)
        case Enum():
            return value.value
        case date():  # a moment, too
            return value.isoformat()
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {each.name: _jsonable(getattr(value, each.name)) for each in fields(value)}
        case dict():
            return {str(name): _jsonable(each) for name, each in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - any value
        case list() | tuple():
            return [_jsonable(each) for each in value]  # pyright: ignore[reportUnknownVariableType] - any value
        case _:
            return value
