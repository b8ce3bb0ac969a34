"""The base of every contract: frozen, add-only, strict where people send data, and lenient on the wire."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, dataclass_transform

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    ValidationError,
    model_serializer,
)

from perdure.contracts.legibility import broken_texts, is_blank

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


REMEDIES = {
    "^[0-9a-f]{64}$": "use 64 digits and letters a to f",
    "^[a-z0-9][a-z0-9-]{0,62}$": "use 1 to 63 lower-case letters, digits and dashes",
    "^[A-Za-z0-9][A-Za-z0-9._/@+:-]{0,199}$": "use 1 to 200 letters, digits and ._/@+:-, a letter or digit first",
}
"""What to write for a pattern, in words."""


class BadInput(ValueError):
    """Input from a caller that cannot be used. The message has one line for each mistake: field, value, remedy."""


@dataclass_transform(kw_only_default=True, field_specifiers=(Field,))
class EdgeType(type(BaseModel)):
    """The type of contracts that callers build by hand: a mistake in a call is `BadInput`, and not pydantic's error."""

    if not TYPE_CHECKING:  # a checker sees the fields of the class

        def __call__(cls, *values: object, **fields: object) -> object:
            if values:
                names = ", ".join(f"{name}=" for name in list(cls.model_fields)[:3])
                raise BadInput(f"{cls.__name__}: {values[0]!r} names nothing: write what it is, {names}...")
            unknown = [name for name in fields if name not in cls.model_fields]
            if unknown:
                known = ", ".join(cls.model_fields)
                raise BadInput("\n".join(f"{name}: is no field of {cls.__name__}: use {known}" for name in unknown))
            cls.refuse_illegible(fields)
            try:
                return super().__call__(**fields)
            except ValidationError as error:
                raise BadInput("\n".join(explain_each(error))) from None


class Contract(BaseModel):
    """Frozen data on the wire. Unknown fields are ignored there, so that old and new versions can read each other."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_bytes="base64", val_json_bytes="base64")

    spelled_out: ClassVar[bool] = False
    """Whether the payload writes every field. A contract that only our own workers read leaves out fields that hold
    their default: this keeps histories small."""

    shows: ClassVar[tuple[str, ...]] = ()
    """The fields that name somebody or something, and so may not be blank where a caller gives them."""

    @classmethod
    def strictly(cls, fields: Mapping[str, Any]) -> Self:
        """Build the contract from what a person or another service sent: unknown fields and wrong types are errors.

        Raises `BadInput` with one line for each mistake.
        """
        cls.refuse_illegible(fields)
        try:
            return cls.model_validate(dict(fields), extra="forbid", strict=True)
        except ValidationError as error:
            raise BadInput("\n".join(explain_each(error))) from None

    @classmethod
    def refuse_illegible(cls, fields: Mapping[str, Any]) -> None:
        """Raise `BadInput` for texts that are not valid Unicode, and for blank names. A validator would be too late."""
        wrong = list(broken_texts(fields))
        for name in cls.shows:
            value = fields.get(name)
            if isinstance(value, str) and value and is_blank(value):
                wrong.append(f"{name}: is blank: write a name that shows (got {value!a})")
        if wrong:
            raise BadInput("\n".join(wrong))


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
    return "; ".join(explain_each(error, hidden=hidden))


def explain_each(error: ValidationError, *, hidden: AbstractSet[str] = frozenset()) -> list[str]:
    """Return a line for each mistake of a validation error, as `explain` does for all of them."""
    reasons: list[str] = []
    for problem in error.errors(include_url=False, include_context=True):
        where = ".".join(str(step) for step in problem["loc"]) or "input"
        message = problem["msg"].removeprefix("Value error, ")
        value = problem["input"]
        foreign = problem["type"] in TABLES and not isinstance(value, int | float)
        if hidden and (foreign or isinstance(value, Mapping) or hidden & {str(step) for step in problem["loc"]}):
            reasons.append(f"{where}: {message}")
            continue
        written = _written(value)
        shown = written if len(written) <= SHOWN else written[: SHOWN - 3] + "..."
        remedy = REMEDIES.get(str(problem.get("ctx", {}).get("pattern")))
        reasons.append(f"{where}: {message} (got {shown})" + (f": {remedy}" if remedy else ""))
    return reasons


def _written(value: object) -> str:
    try:
        return repr(value)
    except ValueError:  # Python writes no number of more than some thousand digits
        return "a value that is too long to show"
