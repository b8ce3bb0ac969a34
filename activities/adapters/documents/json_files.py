"""Reads JSON: every value as a line with its path, such as `order > items > 2 > price: 12.50`."""

import json
from pathlib import Path
from typing import Any, cast

from activities.adapters.documents.csv_files import is_header
from activities.adapters.documents.document import Document, Outline, assemble, unreadable
from activities.adapters.documents.text_files import text_in

_MAX_DEPTH = 200
_PARTING = " > "


class _Number(str):
    """A number as it is written: `1e999` and `0.10` stay what they are."""

    __slots__ = ()


class _Fields(list[tuple[str, Any]]):
    """The names and values of an object, a name that stands twice among them."""


def read_json(path: Path, data: bytes) -> Document:
    """Read a JSON file. Raises `UnreadableDocument` for text that is not JSON."""
    outline = Outline()
    text = text_in(path, data, outline)
    if _depth(text) > _MAX_DEPTH:
        raise unreadable(path, f"its values are nested more than {_MAX_DEPTH} deep", "save a simpler file")
    try:
        value: Any = json.loads(
            text, parse_float=_Number, parse_int=_Number, parse_constant=_Number, object_pairs_hook=_Fields
        )
    except ValueError as error:
        raise unreadable(path, f"it is not JSON ({str(error)[:80]})", "mend it, or save it as text") from None
    _add(value, (), outline)
    return assemble(path, {}, outline)


def _add(value: Any, place: tuple[str, ...], outline: Outline) -> None:
    if isinstance(value, _Fields):
        for name, inner in value:
            _add(inner, (*place, name), outline)
    elif isinstance(value, list):
        _add_list(cast("list[Any]", value), place, outline)
    elif value is None or value == "":
        outline.lose("empty value")
    else:
        text = {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
        outline.line(f"{_PARTING.join(place)}: {text}" if place else text)


def _add_list(values: list[Any], place: tuple[str, ...], outline: Outline) -> None:
    """Add a list: of plain objects with the same names as a table, of anything else value by value."""
    names = [[name for name, _ in value] if isinstance(value, _Fields) else [] for value in values]
    alike = len(values) > 1 and bool(names[0]) and all(one == names[0] for one in names)
    plain = alike and all(not isinstance(inner, list) for value in values for _, inner in value)
    if plain and is_header(names[0], []):
        rows = [[_shown(inner) for _, inner in value] for value in values]
        if place:
            outline.line(f"{_PARTING.join(place)}:")
        outline.table(names[0], [row if len(row) > 1 else [*row, ""] for row in rows])
        return
    for number, value in enumerate(values, 1):
        is_whole = not isinstance(value, list)
        _add(value, place if is_whole else (*place, str(number)), outline)


def _shown(value: Any) -> str:
    return "" if value is None else {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _depth(text: str) -> int:
    """Return how deep brackets are nested at most, outside of strings."""
    depth = most = 0
    in_string = escaped = False
    for sign in text:
        if in_string:
            if escaped:
                escaped = False
            elif sign == "\\":
                escaped = True
            elif sign == '"':
                in_string = False
        elif sign == '"':
            in_string = True
        elif sign in "[{":
            depth += 1
            most = max(most, depth)
        elif sign in "]}":
            depth -= 1
    return most
