"""Reads the object in a model's structured reply, where it can be only one: a server may not enforce the schema."""

from typing import Any, cast

from activities.text.strict_json import BLANK, FENCE, NotJson, canonical, mended, without_label

NOTHING = "(nothing)"
"""The text of an empty message."""


def read_object(reply: str) -> dict[str, Any]:
    """Return the one JSON object in a reply. Raises `NotJson`, which tells the model what was wrong.

    It may stand in a code fence, with prose around it, with a trailing comma, as a list of one, or encoded twice.
    """
    plain = reply.strip(BLANK)
    if not plain:
        raise NotJson("it is empty")
    try:
        return _the_object(mended(plain))
    except NotJson as mistake:
        for part in _candidates(plain):
            try:
                return _the_object(mended(part))
            except NotJson:
                continue
        raise mistake from None


def object_text(reply: str) -> str:
    """Return the one JSON object in a reply as plain JSON. Raises `NotJson`, which is a `ValueError`."""
    try:
        return canonical(read_object(reply))
    except NotJson as mistake:
        raise NotJson(f"it is not JSON: {mistake}") from None


def storable(text: str) -> str:
    """Return a text with a `?` for each half of a character that a model has cut: those cannot be stored or sent."""
    return text.encode(errors="replace").decode()


def shown_again(text: str) -> str:
    """Return a stored text as a message of a later request: servers refuse NUL, and some an empty message."""
    plain = text.replace("\0", "")
    return plain if plain.strip() else NOTHING


def _the_object(value: object) -> dict[str, Any]:
    """Return the object that a value is, or holds as its only item. Raises `NotJson`."""
    if isinstance(value, str):
        value = mended(value)
    if isinstance(value, list):
        items = cast("list[object]", value)
        if len(items) != 1:
            raise NotJson(f"it is a list of {len(items)}, and not one object")
        value = items[0]
    if not isinstance(value, dict):
        raise NotJson(f"it is {type(value).__name__}, and not one object")
    return cast("dict[str, Any]", value)


def _candidates(text: str) -> list[str]:
    """Return the parts of a text that may be its one object: the one code fence, or all between the outer brackets."""
    parts: list[str] = []
    pieces = text.split(FENCE)
    if len(pieces) == 3:  # noqa: PLR2004 - before, inside and after one fence
        parts.append(without_label(pieces[1]))
    for opening, closing in ("{}", "[]"):
        start, end = text.find(opening), text.rfind(closing)
        if 0 <= start < end:
            parts.append(text[start : end + 1])
    return parts
