"""Reads and validates spec files: the parts that chains, agents and schemas share."""

import tomllib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from pydantic import ConfigDict, Field, ValidationError

from agents.guard_arguments import mistakes
from perdure.contracts.contract import explain_each
from perdure.contracts.exact import ExactNumbers
from perdure.contracts.guards import DEADLINE, LONGEST_DEADLINE, GuardAction, GuardSpec, OnFailure


class BadSpec(ValueError):
    """A spec file cannot be used, or does not exist. The message has one line for each mistake."""


class Table(ExactNumbers):
    """The base of every table in a spec file: unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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
        made, wrong = shape.model_validate(dict(fields), extra="forbid"), list[str]()
    except ValidationError as error:
        made, wrong = None, explain_each(error)
    wrong += mistakes(fields)
    if made is None or wrong:
        lines = [f"{where}: {line}" for line in wrong]
        known = ", ".join(shape.model_fields)
        raise BadSpec("\n".join((*lines[:-1], f"{lines[-1]}; the keys are {known}")))
    return made
