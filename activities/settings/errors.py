"""Explains an invalid setting in one line, with its name and the remedy, and never with its value.

Any value may hold a secret, above all one under a wrong name or in JSON of the wrong shape.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, cast, get_args

from pydantic import BaseModel, ValidationError

from activities.settings.names import PREFIX, known_names, model_of, name_of, setting_names

REMEDY = "Correct it or unset it; values are never shown here."


def explain(error: ValidationError, tree: type[BaseModel], given: Mapping[str, str]) -> str:
    """Return the problems that pydantic found, in one line. `given` holds the values, by names in capitals."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    return f"{'; '.join(_problem(each, tree, given) for each in problems)}. {REMEDY}"


def explain_json(tree: type[BaseModel], given: Mapping[str, str]) -> str:
    """Return the names of the settings that have to be JSON and are not, in one line."""
    of_json = [name for name, kind in setting_names(tree) if name in given and _has_parts(kind)]
    wrong = [name for name in of_json if not _is_json(given[name])]
    return f'{", ".join(wrong) or PREFIX + "..."}: has to be JSON, an object such as {{"name": ...}}. {REMEDY}'


def _problem(problem: Mapping[str, Any], tree: type[BaseModel], given: Mapping[str, str]) -> str:
    place = [str(step) for step in problem["loc"]]
    message = str(problem["msg"]).removeprefix("Value error, ")
    depth = _depth(place, tree, given)
    name, unknown = name_of(place[:depth]), problem["type"] == "extra_forbidden"
    if unknown and depth == len(place):
        near = get_close_matches(name, known_names(tree), n=1, cutoff=0)
        return f"{name}: there is no such setting, the nearest is {near[0]}"
    steps_inside = [*_steps_inside(place, depth, tree, given)]
    if unknown:
        known = _parts(_kind(place[:-1], tree))
        near = get_close_matches(place[-1], known, n=1, cutoff=0)
        message = f"it has a name that is not known, the nearest is {near[0]!r}"
    return ": ".join([name, *([f"in its JSON, {', '.join(steps_inside)}"] if steps_inside else []), message])


def _depth(place: Sequence[str], tree: type[BaseModel], given: Mapping[str, str]) -> int:
    """Return how many steps of a place are the setting's name; the others lie inside its value."""
    set_as = [end for end in range(1, len(place) + 1) if name_of(place[:end]) in given]
    if set_as:
        return max(set_as)
    known = [end for end in range(1, len(place) + 1) if place[end - 1] in _parts(_kind(place[: end - 1], tree))]
    return max(known, default=0)


def _steps_inside(place: Sequence[str], depth: int, tree: type[BaseModel], given: Mapping[str, str]) -> Iterator[str]:
    """Return the steps inside a value: fields by their names, and other JSON entries by their numbers."""
    value = _read(given.get(name_of(place[:depth]), ""))
    for end in range(depth, len(place)):
        step = place[end]
        entries = list(cast("dict[str, Any]", value)) if isinstance(value, dict) else []
        if step in _parts(_kind(place[:end], tree)):
            yield step
        elif step in entries:
            yield f"entry {entries.index(step) + 1}"
        value = cast("dict[str, Any]", value)[step] if step in entries else None


def _kind(place: Sequence[str], tree: type[BaseModel]) -> Any:
    """Return the type at a place in the tree; None if there is none."""
    kind: Any = tree
    for step in place:
        model = model_of(kind)
        if model is not None:
            field = model.model_fields.get(step)
            kind = None if field is None else field.annotation
        else:
            kind = get_args(kind)[1] if getattr(kind, "__origin__", None) is dict else None
    return kind


def _parts(kind: Any) -> list[str]:
    """Return the field names of a type."""
    model = model_of(kind)
    return [] if model is None else list(model.model_fields)


def _has_parts(kind: Any) -> bool:
    return model_of(kind) is not None or getattr(kind, "__origin__", None) in (dict, list)


def _read(value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def _is_json(value: str) -> bool:
    return isinstance(_read(value), dict)
