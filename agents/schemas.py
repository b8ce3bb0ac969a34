"""Loads extraction schemas from TOML files; an error names file, key and remedy."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import Field

from agents.extraction_prompt import document_lines, frame, render_reply, system_message
from agents.rules import BadRule, rule_over
from agents.spec_file import BadSpec, GuardFile, Table, guards, read_toml, validated
from agents.spec_folders import SpecFolders, label, unreadable
from perdure.contracts.chains.extraction import ExtractionSpec, FieldKind, FieldSpec
from perdure.contracts.contract import Name
from perdure.contracts.guards import GuardSpec
from perdure.contracts.text import Text


class FieldFile(Table):
    """One field, as a TOML file writes it."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")
    kind: FieldKind
    description: str = Field(min_length=1)
    required: bool = True
    choices: list[str] = Field(default_factory=list[str])
    words: dict[str, list[str]] = Field(default_factory=dict[str, list[str]])


class RuleFile(Table):
    """One business rule, as a TOML file writes it."""

    guard: str
    arguments: dict[str, Any] = Field(default_factory=dict[str, Any])


class StatedFile(Table):
    """The value of one field in a worked example, and the line that states it."""

    line: int = Field(ge=1)
    value: str = Field(min_length=1)


class ExampleFile(Table):
    """One worked example: a document, and the right values; fields left out are not stated."""

    document: str = Field(min_length=1)
    record: dict[str, StatedFile]


class SchemaFile(Table):
    """A schema's TOML file."""

    tier: Name = "fast"
    system: str = Field(min_length=1)
    max_output_tokens: int = Field(default=400, ge=1)
    attempts: int = Field(default=3, ge=1, le=10)
    repairs: int = Field(default=2, ge=0, le=5)
    fields: list[FieldFile] = Field(min_length=1, max_length=100)
    rules: list[RuleFile] = Field(default_factory=list[RuleFile])
    screen: list[GuardFile] = Field(default_factory=list[GuardFile])
    examples: list[ExampleFile] = Field(default_factory=list[ExampleFile])


@dataclass(frozen=True)
class Schemas:
    """The schemas in some folders. A changed file is read again; runs in progress have pinned their own edition."""

    folders: Sequence[Path]

    def names(self) -> list[str]:
        """Return the names of all schemas."""
        return SpecFolders(self.folders).names()

    def clashes(self) -> list[str]:
        """Return a line for each name that two files have."""
        return SpecFolders(self.folders).clashes()

    def extraction(self, name: str) -> ExtractionSpec:
        """Return the schema of this name. Raises `BadSpec`."""
        files = SpecFolders(self.folders)
        found = files.file(name)
        if found is None:
            known = ", ".join(self.names()) or "none"
            raise BadSpec(f"there is no schema {name!r}: the schemas in {files} are {known}")
        path, status = found
        return _read(name, path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=128)
def _read(name: str, path: Path, _modified_ns: int, _size: int) -> ExtractionSpec:
    """Return the schema in the file. An edit changes the file's time or size, so the cache never hides it."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from None
    return parse_schema(name, data, label(path))


def parse_schema(name: str, data: bytes, where: str | None = None) -> ExtractionSpec:
    """Parse a schema from the bytes of its TOML file. Raises `BadSpec` with file (`where`), key and remedy."""
    where = where or f"agents/schemas/{name}.toml"
    file = validated(where, SchemaFile, read_toml(where, data))
    fields = _fields(where, file)
    return ExtractionSpec(
        name=name,
        digest=hashlib.sha256(data).hexdigest(),
        tier=file.tier,
        instructions=Text.of(_instructions(where, file, fields)),
        fields=fields,
        rules=_rules(where, file),
        screen=guards(file.screen),
        max_output_tokens=file.max_output_tokens,
        attempts=file.attempts,
        repairs=file.repairs,
    )


def _fields(where: str, file: SchemaFile) -> tuple[FieldSpec, ...]:
    for name, count in Counter(field.name for field in file.fields).items():
        if count > 1:
            raise BadSpec(f"{where}: fields: {name!r} is named {count} times: give every field a name of its own")
    for number, field in enumerate(file.fields, start=1):
        if field.kind is FieldKind.CHOICE and not field.choices:
            raise BadSpec(f"{where}: fields.{number}.choices: {field.name!r} is a choice without choices: list them")
        if field.kind is not FieldKind.CHOICE and field.choices:
            remedy = f'make its kind "choice", or leave the choices out (got kind {field.kind.value!r})'
            raise BadSpec(f"{where}: fields.{number}.choices: {field.name!r} is no choice: {remedy}")
        if len({choice.casefold() for choice in field.choices}) < len(field.choices) or "" in field.choices:
            raise BadSpec(
                f"{where}: fields.{number}.choices: {field.choices} must differ in more than case, and none be empty"
            )
        if unknown := field.words.keys() - set(field.choices):
            raise BadSpec(f"{where}: fields.{number}.words: {min(unknown)!r} is none of {', '.join(field.choices)}")
        if not all(word.strip() for words in field.words.values() for word in words):
            raise BadSpec(f"{where}: fields.{number}.words: a word of {field.name!r} is empty: write it or take it out")
    return tuple(
        FieldSpec(
            name=field.name,
            kind=field.kind,
            description=" ".join(field.description.split()),
            required=field.required,
            choices=tuple(field.choices),
            words={choice: tuple(words) for choice, words in field.words.items()},
        )
        for field in file.fields
    )


def _rules(where: str, file: SchemaFile) -> tuple[GuardSpec, ...]:
    kinds = {field.name: field.kind for field in file.fields}
    rules: list[GuardSpec] = []
    for number, table in enumerate(file.rules, start=1):
        try:
            rule = rule_over(table.guard, table.arguments, kinds)
        except BadRule as error:
            raise BadSpec(f"{where}: rules.{number}: {error}") from None
        arguments = rule.model_dump(mode="json", exclude_none=True)
        rules.append(GuardSpec(guard=table.guard, arguments=arguments))
    return tuple(rules)


def _instructions(where: str, file: SchemaFile, fields: tuple[FieldSpec, ...]) -> str:
    """Return the fixed beginning of every prompt as JSON messages: the system message, then the worked examples."""
    messages = [{"role": "system", "content": system_message(file.system, fields)}]
    for number, example in enumerate(file.examples, start=1):
        _require_right(f"{where}: examples.{number}", example, fields)
        stated = {name: (value.line, value.value) for name, value in example.record.items()}
        messages.append({"role": "user", "content": frame(example.document)})
        messages.append({"role": "assistant", "content": render_reply(fields, stated)})
    return json.dumps(messages, ensure_ascii=False)


def _require_right(where: str, example: ExampleFile, fields: tuple[FieldSpec, ...]) -> None:
    """Raise `BadSpec` where a value is not on its line: a wrong example teaches wrong answers."""
    kinds = {field.name: field for field in fields}
    lines = document_lines(example.document)
    for name, stated in example.record.items():
        if name not in kinds:
            raise BadSpec(f"{where}.record: there is no field {name!r}: the fields are {', '.join(kinds)}")
        field, line = kinds[name], stated.line
        if line > len(lines):
            raise BadSpec(f"{where}.record.{name}: there is no line {line}: the document has {len(lines)}")
        begin, end = lines[line - 1]
        match field.kind:
            case FieldKind.CHOICE:
                right = stated.value in field.choices
            case FieldKind.BOOLEAN:
                right = stated.value in {"yes", "no"}
            case _:
                right = stated.value in example.document[begin:end]
        if not right:
            allowed = field.choices or ("yes", "no")
            remedy = (
                f"write one of {', '.join(allowed)}"
                if field.kind in {FieldKind.CHOICE, FieldKind.BOOLEAN}
                else f"copy it from line {line} as it stands there"
            )
            raise BadSpec(f"{where}.record.{name}: {stated.value!r} is not right: {remedy}")
