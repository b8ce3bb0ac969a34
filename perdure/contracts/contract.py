"""The base of every contract: frozen, add-only, strict where people send data, and lenient on the wire."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    StringConstraints,
    ValidationError,
    model_serializer,
)

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 in lower-case hexadecimal, 64 characters."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
"""Lower-case letters, digits and dashes, 1 to 63 characters: a tenant, a chain, a tier, a deployment."""

BusinessId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/@+:-]{0,199}$")]
"""The caller's own name for a run, 1 to 200 characters, unique in its tenant."""


SHOWN = 60
"""The most characters of a bad value that an error shows."""


TABLES = ("extra_forbidden", "model_type", "dict_type", "model_attributes_type")
"""Pydantic's error types for a field that does not exist, and for a value that is not a table."""


class BadInput(ValueError):
    """Input from a caller that cannot be used. The message names the field, the value and the remedy, in one line."""


class Contract(BaseModel):
    """Frozen data on the wire. Unknown fields are ignored there, so that old and new versions can read each other."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_bytes="base64", val_json_bytes="base64")

    spelled_out: ClassVar[bool] = False
    """Whether the payload writes every field. A contract that only our own workers read leaves out fields that hold
    their default: this keeps histories small."""

    @classmethod
    def strictly(cls, fields: Mapping[str, Any]) -> Self:
        """Build the contract from what a person or another service sent: unknown fields and wrong types are errors.

        Raises `BadInput` with one line that lists each problem.
        """
        try:
            return cls.model_validate(dict(fields), extra="forbid", strict=True)
        except ValidationError as error:
            raise BadInput(explain(error)) from None


class Variant(Contract):
    """A contract with several shapes, which `kind` tells apart. `kind` is always written, even as a default."""

    @model_serializer(mode="wrap")
    def _with_its_kind(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {"kind": vars(self)["kind"], **write(self)}


def explain(error: ValidationError, *, hidden: AbstractSet[str] = frozenset()) -> str:
    """Return one line for a validation error: where, what is wrong, and the value (shortened).

    `hidden` names fields that may hold a secret. Where it is given, no value is shown for these fields, for unknown
    fields, for whole tables, or for a value that stands in the place of a table.
    """
    reasons: list[str] = []
    for problem in error.errors(include_url=False, include_context=False):
        where = ".".join(str(step) for step in problem["loc"]) or "input"
        message = problem["msg"].removeprefix("Value error, ")
        value = problem["input"]
        foreign = problem["type"] in TABLES and not isinstance(value, int | float)
        if hidden and (foreign or isinstance(value, Mapping) or hidden & {str(step) for step in problem["loc"]}):
            reasons.append(f"{where}: {message}")
            continue
        written = repr(value)
        shown = written if len(written) <= SHOWN else written[: SHOWN - 3] + "..."
        reasons.append(f"{where}: {message} (got {shown})")
    return "; ".join(reasons)
