"""What all spec files share: how one is read, what its mistakes are called, and how it asks for guards."""

import tomllib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from perdure.contracts.contract import explain
from perdure.contracts.guards import DEADLINE, LONGEST_DEADLINE, GuardAction, GuardSpec, OnFailure


class BadSpec(ValueError):
    """A spec file cannot be used, or there is none by that name. The message is one line."""


class Table(BaseModel):
    """The base of what a spec file holds: unknown keys are mistakes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class GuardFile(Table):
    """One guard, as a TOML file asks for it."""

    guard: str
    action: GuardAction = GuardAction.BLOCK
    arguments: dict[str, Any] = Field(default_factory=dict[str, Any])
    deadline: timedelta = Field(default=DEADLINE, gt=timedelta(0), le=LONGEST_DEADLINE)
    """In seconds."""
    on_failure: OnFailure = OnFailure.CLOSED


def guards(asked: Sequence[GuardFile]) -> tuple[GuardSpec, ...]:
    """The guards that a file asks for, as a run pins them."""
    return tuple(
        GuardSpec(
            guard=guard.guard,
            action=guard.action,
            arguments=guard.arguments,
            deadline=guard.deadline,
            on_failure=guard.on_failure,
        )
        for guard in asked
    )


def read_toml(where: str, data: bytes) -> dict[str, Any]:
    """What stands in the bytes of a file. Raises `BadSpec`."""
    try:
        return tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:  # Python's own limits too: very long numbers, deep nesting
        raise BadSpec(f"{where} is not TOML: {error}") from None


File = TypeVar("File", bound=Table)


def validated(where: str, shape: type[File], fields: Mapping[str, Any]) -> File:
    """The file's fields in their shape. Raises `BadSpec` with file, key, value and the keys that there are."""
    try:
        # Forbidden all the way down: the contracts inside would ignore what they do not know.
        return shape.model_validate(dict(fields), extra="forbid")
    except ValidationError as error:
        known = ", ".join(shape.model_fields)
        raise BadSpec(f"{where}: {explain(error)}; the keys are {known}") from None
