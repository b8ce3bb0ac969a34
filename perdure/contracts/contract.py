"""The one base of everything that crosses a boundary: frozen, add-only, strict at the edges and lenient on the wire."""

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
"""Characters of a bad value that an error shows."""


TABLES = ("extra_forbidden", "model_type", "dict_type", "model_attributes_type")
"""What pydantic calls a name that is not known, and what is no table."""


class BadInput(ValueError):
    """What a caller sent cannot be used. The message names the field, the value and the remedy, in one line."""


class Contract(BaseModel):
    """Frozen data on the wire. Unknown fields are ignored there, so that old and new versions can read each other."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_bytes="base64", val_json_bytes="base64")

    spelled_out: ClassVar[bool] = False
    """Whether its payload says every field. One that only our own workers read leaves out what holds its default: a
    run's history is made of them."""

    @classmethod
    def strictly(cls, fields: Mapping[str, Any]) -> Self:
        """Build from what a person or another service sent: unknown fields and wrong types are errors.

        Raises `BadInput` with one line for each thing that is wrong.
        """
        try:
            return cls.model_validate(dict(fields), extra="forbid", strict=True)
        except ValidationError as error:
            raise BadInput(explain(error)) from None


class Variant(Contract):
    """One of several shapes that `kind` tells apart: it is always written, also where defaults are left out."""

    @model_serializer(mode="wrap")
    def _with_its_kind(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {"kind": vars(self)["kind"], **write(self)}


def explain(error: ValidationError, *, hidden: AbstractSet[str] = frozenset()) -> str:
    """One line for a validation error: where, what is wrong, and the value (shortened).

    `hidden` names fields that may hold a secret: no value of theirs is shown, nor of a name that nobody knows, nor a
    whole table, nor what stands in the place of one.
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
