"""Payloads as today's contracts read them: what an old one lost, and where two differ."""

import json
from collections.abc import Iterator
from typing import Any, cast

from pydantic import TypeAdapter
from pydantic_core import to_json
from temporalio.api.common.v1 import Payload

from workflows.effects import EFFECTS

TYPES = {effect.name: effect for effect in EFFECTS}
"""The effects by name."""

Difference = tuple[str, object, object]
"""A path into a value (`.passages[0].text`), what was recorded there, and what is there now."""

ABSENT = "nothing"
"""Stands for a field that is not there."""


def difference(recorded: Payload, now: Any, contract: type | None) -> list[Difference]:
    """Where a value of today differs from a recorded one.

    A field that the contract has gained since is no difference while it holds its default; one that it has lost is.
    """
    old = json.loads(recorded.data)
    lifted = old if contract is None else _union(_lifted(old, contract), old)
    return list(_differences("", lifted, _plain(now)))


def lost(recorded: Payload, contract: type) -> list[Difference]:
    """What of an old payload today's contract would not carry on. Raises `ValidationError` where it does not decode."""
    old = json.loads(recorded.data)
    lifted = _lifted(old, contract)
    return list(_differences("", _union(lifted, old), lifted))


def _lifted(old: Any, contract: type) -> Any:
    """An old value, read and written again by today's contract: with the fields and defaults that it has gained."""
    return _plain(cast("Any", TypeAdapter(contract)).validate_python(old))


def _plain(value: Any) -> Any:
    """With every field, also those that a payload leaves out since they hold their default."""
    return json.loads(to_json(value))


def _union(new: Any, old: Any) -> Any:
    """The old value, with the fields that only the new one has."""
    match new, old:
        case dict(), dict():
            ours, theirs = cast("dict[str, Any]", new), cast("dict[str, Any]", old)
            return ours | {key: _union(ours[key], value) if key in ours else value for key, value in theirs.items()}
        case list(), list():
            pairs, those = cast("list[Any]", new), cast("list[Any]", old)
            if len(pairs) == len(those):
                return [_union(one, other) for one, other in zip(pairs, those, strict=True)]
            return those
        case _:
            return old


def _differences(path: str, was: Any, now: Any) -> Iterator[Difference]:
    match was, now:
        case dict(), dict():
            one, other = cast("dict[str, Any]", was), cast("dict[str, Any]", now)
            for key in sorted(one.keys() | other.keys()):
                if key not in one or key not in other:
                    yield f"{path}.{key}", one.get(key, ABSENT), other.get(key, ABSENT)
                else:
                    yield from _differences(f"{path}.{key}", one[key], other[key])
        case list(), list() if len(cast("list[Any]", was)) == len(cast("list[Any]", now)):
            pairs = zip(cast("list[Any]", was), cast("list[Any]", now), strict=True)
            for place, (here, there) in enumerate(pairs):
                yield from _differences(f"{path}[{place}]", here, there)
        case _ if was != now:
            yield path, was, now
        case _:
            return
