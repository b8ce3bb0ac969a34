"""Reads JSON that a model wrote: strictly, and where a mistake leaves only one meaning, by that meaning. Pure.

Python's own parser takes NaN, Infinity, numbers that no float can hold, and keys that stand twice. None of these is
read here: two readers of such a text can see different values, and then what a person approves is not what is sent.
"""

import json
import re
from typing import Any, NoReturn, cast

DEEPEST = 64
"""The most levels of nesting. No schema of a tool or a reply needs as many."""

BLANK = " \t\r\n\ufeff\0"
"""The characters that are ignored around JSON. A byte order mark and NUL are no part of it, but servers send them."""

FENCE = "```"

_COMMA = re.compile(r'"(?:[^"\\]++|\\.)*+"?|,(?=\s*+[}\]])', re.DOTALL)
"""A whole text in quotes, or a comma before a closing bracket. Possessive: it stays linear in the size of the text."""


_DIGIT = re.compile("[1-9]")


class NotJson(ValueError):
    """The text is no JSON, or JSON that is not read. The message says what is wrong, for the model that wrote it."""


class _NotRead(NotJson):
    """The text is JSON by its grammar, but nothing that can be mended: it has no meaning, or two."""


def strict(text: str, *, with_controls: bool = False) -> object:
    """Return the value of a JSON text. Raises `NotJson`.

    `with_controls` also reads texts with line breaks and tabs that are not escaped.
    """
    decoder = json.JSONDecoder(
        object_pairs_hook=_without_doubles,
        parse_float=_finite,
        parse_int=_whole,
        parse_constant=_no_number,
        strict=not with_controls,
    )
    try:
        value: object = decoder.decode(text)
    except NotJson:
        raise
    except json.JSONDecodeError as error:
        more = "; it holds more than one value" if error.msg == "Extra data" else ""
        raise NotJson(f"{error.msg} (character {error.pos + 1} of {len(text)}{more})") from None
    except (ValueError, RecursionError):
        raise _NotRead("it is nested too deeply, or one of its numbers is too long") from None
    _require_plain(value)
    return value


def mended(text: str) -> object:
    """Return the value of a JSON text: also of one in a code fence, with trailing commas, or with bare line breaks.

    Raises `NotJson`, with the mistake in the text as it was written. Nothing that is missing is ever added: a text that
    was cut off stays unread.
    """
    plain = text.strip(BLANK)
    try:
        return strict(plain)
    except _NotRead:
        raise
    except NotJson as mistake:
        inner = _unfenced(plain).rstrip(f"{BLANK},")
        try:
            return strict(without_trailing_commas(inner), with_controls=True)
        except _NotRead:
            raise
        except NotJson:
            raise mistake from None


def canonical(value: object) -> str:
    """Return the one text of a value that was read: the keys in their order, and every character as itself."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def without_trailing_commas(text: str) -> str:
    """Return the text without commas before a closing bracket. Commas inside of quotes stay."""
    return _COMMA.sub(lambda found: "" if found[0] == "," else found[0], text)


def _unfenced(text: str) -> str:
    """Return what stands in the one code fence around the whole text; the text itself where there is none."""
    if not (text.startswith(FENCE) and text.endswith(FENCE) and text.count(FENCE) == 2):  # noqa: PLR2004 - open, close
        return text
    return without_label(text.removeprefix(FENCE).removesuffix(FENCE))


def without_label(fenced: str) -> str:
    """Return the content of a code fence without the name of its language."""
    label = re.match(r"[A-Za-z0-9_+-]{0,20}(?=\s)", fenced)
    return (fenced if label is None else fenced[label.end() :]).strip(BLANK)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        seen = set[str]()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))
        raise _NotRead(f"the key {twice[:40]!a} stands in one object twice: write it once")
    return fields


def _finite(written: str) -> float:
    number = float(written)
    if number in (float("inf"), float("-inf")):
        raise _NotRead(f"the number {written[:40]} is too large")
    if number == 0 and _DIGIT.search(written.lower().partition("e")[0]):
        raise _NotRead(f"the number {written[:40]} is too small: write 0 if that is meant")
    return number


def _whole(written: str) -> int:
    _finite(written)
    return int(written)


def _no_number(name: str) -> NoReturn:
    raise _NotRead(f"{name} is no number in JSON")


def _require_plain(value: object) -> None:
    """Raise `NotJson` for a value that is nested too deeply, or whose texts hold half of a character."""
    level: list[object] = [value]
    for _ in range(DEEPEST):
        parts: list[object] = []
        for one in level:
            if isinstance(one, str):
                _require_whole_characters(one)
            elif isinstance(one, list):
                parts += cast("list[object]", one)
            elif isinstance(one, dict):
                fields = cast("dict[str, object]", one)
                parts += [*fields, *fields.values()]
        if not parts:
            return
        level = parts
    raise _NotRead(f"it is nested more than {DEEPEST} levels deep")


def _require_whole_characters(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = text[error.start]
        raise _NotRead(f"the text {text[:40]!a} holds {half!a}, which is half of a character") from None
