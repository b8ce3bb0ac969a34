"""Reads and validates spec files: the parts that chains, agents and schemas share."""

import tomllib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from math import isfinite
from typing import Any, TypeVar, cast, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from perdure.contracts.contract import explain_each
from perdure.contracts.guards import DEADLINE, LONGEST_DEADLINE, GuardAction, GuardSpec, OnFailure


class BadSpec(ValueError):
    """A spec file cannot be used, or does not exist. The message has one line for each mistake."""


class Table(BaseModel):
    """The base of every table in a spec file: unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _has_exact_numbers(cls, value: object, info: ValidationInfo) -> object:
        _require_exact(cls.model_fields[info.field_name or ""].annotation, value, "")
        return value


def _require_exact(annotation: Any, value: object, where: str) -> None:
    """Raise `ValueError` for a truth value, a text or a fraction in the place of a number, also in tables below."""
    kinds = {annotation, *get_args(annotation)}
    place = f"{where}: " if where else ""
    if kinds & {int, float, timedelta} and not kinds & {str, bool}:
        if isinstance(value, bool | str):
            raise ValueError(f"{place}write a number without quotation marks, and not true or false")
        if isinstance(value, float) and (not isfinite(value) or (int in kinds and float not in kinds)):
            raise ValueError(f"{place}write a {'whole' if int in kinds else 'finite'} number")
    for kind in kinds:
        # A table of our own judges its own keys.
        if isinstance(kind, type) and issubclass(kind, BaseModel) and not issubclass(kind, Table):
            tables = cast("list[object]", value) if isinstance(value, list) else [value]
            for table in tables:
                for name, inner in cast("dict[str, object]", table).items() if isinstance(table, dict) else ():
                    if name in kind.model_fields:
                        _require_exact(kind.model_fields[name].annotation, inner, f"{where}.{name}" if where else name)


class GuardFile(Table):
    """One guard, as a TOML file writes it."""

    guard: str
    action: GuardAction = GuardAction.BLOCK
    arguments: dict[str, Any] = Field(default_factory=dict[str, Any])
    deadline: timedelta = Field(default=DEADLINE, gt=timedelta(0), le=LONGEST_DEADLINE)
    """In seconds."""
    on_failure: OnFailure = OnFailure.CLOSED


def guards(tables: Sequence[GuardFile]) -> tuple[GuardSpec, ...]:
    """Return the guards of a file as a run pins them."""
    return tuple(
        GuardSpec(
            guard=guard.guard,
            action=guard.action,
            arguments=guard.arguments,
            deadline=guard.deadline,
            on_failure=guard.on_failure,
        )
        for guard in tables
    )


def read_toml(where: str, data: bytes) -> dict[str, Any]:
    """Parse the bytes of a TOML file. Raises `BadSpec`."""
    try:
        return tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:  # also Python's own limits: very long numbers, deep nesting
        raise BadSpec(f"{where} is not TOML: {error}") from None


File = TypeVar("File", bound=Table)


def validated(where: str, shape: type[File], fields: Mapping[str, Any]) -> File:
    """Validate the file's fields. Raises `BadSpec` with a line for each mistake: file, key and value; then all keys."""
    try:
        # Forbid unknown keys at every level: nested contracts would ignore them by default.
        return shape.model_validate(dict(fields), extra="forbid")
    except ValidationError as error:
        known = ", ".join(shape.model_fields)
        lines = [f"{where}: {line}" for line in explain_each(error)]
        raise BadSpec("\n".join((*lines[:-1], f"{lines[-1]}; the keys are {known}"))) from None
