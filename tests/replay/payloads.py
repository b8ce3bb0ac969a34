"""Payloads as today's contracts read them: what an old one loses, and where two differ."""

import json
from collections.abc import Iterator
from typing import Any, cast

from pydantic import TypeAdapter
from pydantic_core import to_json
from temporalio.api.common.v1 import Payload

from workflows.effects import EFFECTS

TYPES = {effect.name: effect for effect in EFFECTS}
"""All effects, by name."""

Difference = tuple[str, object, object]
"""A path into a value (`.passages[0].text`), the recorded value there, and the current one."""

ABSENT = "nothing"
"""The value that stands for a missing field."""


def difference(recorded: Payload, current: Any, contract: type | None) -> list[Difference]:
    """Return where a value of today differs from a recorded one.

    A field that the contract has gained is no difference while it holds its default; a field that it has lost is one.
    """
    old = json.loads(recorded.data)
    upgraded = old if contract is None else _union(_upgrade(old, contract), old)
    return list(_differences("", upgraded, _plain(current)))


def lost(recorded: Payload, contract: type) -> list[Difference]:
    """Return the parts of an old payload that today's contract drops. Raises `ValidationError` if it cannot read it."""
    old = json.loads(recorded.data)
    upgraded = _upgrade(old, contract)
    return list(_differences("", _union(upgraded, old), upgraded))


def _upgrade(old: Any, contract: type) -> Any:
    """Read an old value by today's contract and write it again, with the fields and defaults that it has gained."""
    return _plain(cast("Any", TypeAdapter(contract)).validate_python(old))


def _plain(value: Any) -> Any:
    """Return a value as JSON with every field, also those that payloads leave out because they hold their default."""
    return json.loads(to_json(value))


def _union(new: Any, old: Any) -> Any:
    """Return the old value with the fields that only the new one has."""
    match new, old:
        case dict(), dict():
            new_fields, old_fields = cast("dict[str, Any]", new), cast("dict[str, Any]", old)
            return new_fields | {
                key: _union(new_fields[key], value) if key in new_fields else value for key, value in old_fields.items()
            }
        case list(), list():
            new_items, old_items = cast("list[Any]", new), cast("list[Any]", old)
            if len(new_items) == len(old_items):
                return [_union(new_item, old_item) for new_item, old_item in zip(new_items, old_items, strict=True)]
            return old_items
        case _:
            return old


def _differences(path: str, recorded: Any, current: Any) -> Iterator[Difference]:
    match recorded, current:
        case dict(), dict():
            recorded_fields, current_fields = cast("dict[str, Any]", recorded), cast("dict[str, Any]", current)
            for key in sorted(recorded_fields.keys() | current_fields.keys()):
                if key not in recorded_fields or key not in current_fields:
                    yield f"{path}.{key}", recorded_fields.get(key, ABSENT), current_fields.get(key, ABSENT)
                else:
                    yield from _differences(f"{path}.{key}", recorded_fields[key], current_fields[key])
        case list(), list() if len(cast("list[Any]", recorded)) == len(cast("list[Any]", current)):
            pairs = zip(cast("list[Any]", recorded), cast("list[Any]", current), strict=True)
            for index, (recorded_item, current_item) in enumerate(pairs):
                yield from _differences(f"{path}[{index}]", recorded_item, current_item)
        case _ if recorded != current:
            yield path, recorded, current
        case _:
            return
