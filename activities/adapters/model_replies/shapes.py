"""Reads values of JSON whose shape is not sure. Each function raises `TypeError` for a shape that no protocol has."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

Fields = Mapping[str, Any]


def mapping(value: object) -> Fields:
    """Return an object; an empty one for null."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(type(value).__name__)
    return cast("Fields", value)


def sequence(value: object) -> Sequence[object]:
    """Return a list; an empty one for null."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise TypeError(type(value).__name__)
    return cast("list[object]", value)


def text(value: object) -> str:
    """Return a text; an empty one for null."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(type(value).__name__)
    return value


def label(value: object) -> str:
    """Return an id or a name as text, also where the server wrote a number; empty for null."""
    return "" if value is None else str(value)


def json_text(value: object) -> str:
    """Return the arguments of a call as the model wrote them: a text as it is, and any other value as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def position(value: object) -> int | None:
    """Return a place in a list, which some servers write as text; None for any other value."""
    try:
        return None if value is None else int(cast("int", value))
    except (TypeError, ValueError):
        return None
