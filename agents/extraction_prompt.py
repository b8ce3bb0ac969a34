"""Builds the prompt and the reply schema of an extraction, and the request to repair a bad reply. Pure functions.

A small model copies well and counts badly. So the document's lines are numbered, the model copies a value and then
names its line, and code looks the copied value up in the document. (Asked for the line first, a small model repeats the
line numbers of the worked example, and copies the text of those lines.)
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from perdure.contracts.chains.extraction import FieldKind, FieldSpec

NOT_STATED = 0
"""The line number of a field that no line states."""

_LINE = re.compile(r"\S[^\n\r\x0b\x0c\x85\u2028\u2029]*")

_HINTS = {
    FieldKind.TEXT: "words",
    FieldKind.INTEGER: "a whole number",
    FieldKind.DECIMAL: "an amount",
    FieldKind.DATE: "a date",
    FieldKind.BOOLEAN: "yes or no",
    FieldKind.CHOICE: "one of {choices}",
}


def document_lines(text: str) -> list[tuple[int, int]]:
    """Return the lines that are not blank as character spans (start, one past the end), without the white space around.

    The model sees them numbered from 1.
    """
    return [(line.start(), line.start() + len(line[0].rstrip())) for line in _LINE.finditer(text)]


def system_message(system: str, fields: Sequence[FieldSpec]) -> str:
    """Return the system message of a schema: the task, then a line about each field."""
    described = "\n".join(
        f"{field.name} ({_HINTS[field.kind].format(choices=', '.join(field.choices))}): {field.description}"
        for field in fields
    )
    return f"{system.strip()}\n\nFields:\n{described}"


def frame(text: str) -> str:
    """Return the user's message: the document with its lines numbered."""
    lines = document_lines(text)
    return "Document:\n" + "\n".join(f"[{n}] {text[start:end]}" for n, (start, end) in enumerate(lines, start=1))


def reply_schema(
    fields: Sequence[FieldSpec],
    lines: int,
    offered: Mapping[str, Mapping[int, Sequence[str]]] | None = None,
    kept: Mapping[str, tuple[int, str]] | None = None,
) -> dict[str, Any]:
    """Return the JSON schema of a reply: one value and one line for each field, the value before the line.

    `offered` lists the only values that the document states for a field, by line number: the model must choose one of
    them. Fields with the same offer share one definition. `kept` has the line and the value of fields that a repair
    must not change.
    """
    properties: dict[str, Any] = {}
    shared: dict[str, str] = {}
    definitions: dict[str, Any] = {}
    for field in fields:
        if kept is not None and field.name in kept:
            line, value = kept[field.name]
            properties[field.name] = _object({"enum": [value]}, {"enum": [line]})
            continue
        if offered is None or field.name not in offered:
            properties[field.name] = _entry(field, lines)
            continue
        options = _one_of(offered[field.name])
        name = shared.setdefault(json.dumps(options), field.name)
        definitions[name] = options
        properties[field.name] = {"$ref": f"#/$defs/{name}"}
    return {
        "type": "object",
        "properties": properties,
        "required": [field.name for field in fields],
        "additionalProperties": False,
        **({"$defs": definitions} if definitions else {}),
    }


def _one_of(offered: Mapping[int, Sequence[str]]) -> dict[str, Any]:
    """Return the schema of one of the offered values with a line that states it, or of no value."""
    lines: dict[str, list[int]] = {"": [NOT_STATED]}
    for line, values in sorted(offered.items()):
        for value in values:
            lines.setdefault(value, []).append(line)
    return {"anyOf": [_object({"enum": [value]}, {"enum": numbers}) for value, numbers in lines.items()]}


def _entry(field: FieldSpec, lines: int) -> dict[str, Any]:
    """Return the schema of any value of the field's kind with any line, or of no value and no line."""
    value: dict[str, Any] = {"type": "string", "minLength": 1}
    if field.kind is FieldKind.CHOICE:
        value = {"enum": list(field.choices)}
    elif field.kind is FieldKind.BOOLEAN:
        value = {"enum": ["yes", "no"]}
    options = [_object({"enum": [""]}, {"enum": [NOT_STATED]})]
    if lines:
        options.append(_object(value, {"type": "integer", "minimum": NOT_STATED + 1, "maximum": lines}))
    return {"anyOf": options}


def _object(value: dict[str, Any], line: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"value": value, "line": line},
        "required": ["value", "line"],
        "additionalProperties": False,
    }


def render_reply(fields: Sequence[FieldSpec], stated: Mapping[str, tuple[int, str]]) -> str:
    """Return the reply of a worked example: these lines and values. Every other field is not stated."""
    reply = {field.name: stated.get(field.name, (NOT_STATED, "")) for field in fields}
    return json.dumps(
        {name: {"value": value, "line": line} for name, (line, value) in reply.items()}, ensure_ascii=False
    )


def ask_again(problems: Sequence[str]) -> str:
    """Return the user's message after a bad reply: its problems, and the request to write it again."""
    listed = "\n".join(f"- {problem}" for problem in problems)
    return (
        f"This is wrong with your reply:\n{listed}\n"
        "Read these fields again. Write the whole reply again, with every field. "
        f'If no line states a field, give value "" and line {NOT_STATED}.'
    )
