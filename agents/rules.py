"""Defines the business rules that a schema may name: their arguments, and the kinds of field that each accepts.

A schema's rules are checked here when it is loaded. The port `Rules` runs them over a record.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from perdure.contracts.chains.extraction import FieldKind
from perdure.contracts.contract import explain

NUMBERS = frozenset({FieldKind.INTEGER, FieldKind.DECIMAL})
ORDERED = NUMBERS | {FieldKind.DATE}
ANY = frozenset(FieldKind)

PATTERN_LIMIT = 200
"""The longest pattern, in characters."""


class BadRule(ValueError):
    """A rule cannot be used: unknown, or with arguments that do not fit. The message is one line."""


def _bound(value: object) -> object:
    """Return a TOML number or date as text: a bound is stored as text."""
    return str(value) if isinstance(value, int | float | Decimal | date) and not isinstance(value, bool) else value


Bound = Annotated[str, BeforeValidator(_bound)]
"""A number, such as `1200.50`, or a day, such as `2026-04-17`."""


class Rule(BaseModel):
    """The arguments of one rule."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def named(self) -> Iterator[tuple[str, str, frozenset[FieldKind]]]:
        """Yield each argument that names a field: the argument, the field, and the kinds that the rule accepts."""
        raise NotImplementedError


class Required(Rule):
    """All of these fields are stated."""

    fields: list[str] = Field(min_length=1)

    def named(self) -> Iterator[tuple[str, str, frozenset[FieldKind]]]:
        return (("fields", name, ANY) for name in self.fields)


class OneOfRequired(Required):
    """At least one of these fields is stated."""

    fields: list[str] = Field(min_length=2)


class InRange(Rule):
    """A number or a day is not below `min` and not above `max`."""

    field: str
    min: Bound | None = None
    max: Bound | None = None

    def named(self) -> Iterator[tuple[str, str, frozenset[FieldKind]]]:
        yield "field", self.field, ORDERED


class NotBefore(Rule):
    """A day is not before another."""

    field: str
    other: str

    def named(self) -> Iterator[tuple[str, str, frozenset[FieldKind]]]:
        yield "field", self.field, frozenset({FieldKind.DATE})
        yield "other", self.other, frozenset({FieldKind.DATE})


class SumsTo(Rule):
    """The parts add up to the total."""

    total: str
    parts: list[str] = Field(min_length=1)
    tolerance: Bound = "0"

    def named(self) -> Iterator[tuple[str, str, frozenset[FieldKind]]]:
        yield "total", self.total, NUMBERS
        yield from (("parts", name, NUMBERS) for name in self.parts)


class ProductOf(Rule):
    """The factors multiply to the product."""

    product: str
    factors: list[str] = Field(min_length=1)
    tolerance: Bound = "0"

    def named(self) -> Iterator[tuple[str, str, frozenset[FieldKind]]]:
        yield "product", self.product, NUMBERS
        yield from (("factors", name, NUMBERS) for name in self.factors)


class Matches(Rule):
    """A text matches a pattern from its first character to its last.

    Patterns are those of Rust's regex crate, which takes linear time whatever the pattern: no look-around, no
    back-references.
    """

    field: str
    pattern: str = Field(min_length=1, max_length=PATTERN_LIMIT)

    def named(self) -> Iterator[tuple[str, str, frozenset[FieldKind]]]:
        yield "field", self.field, frozenset({FieldKind.TEXT})


RULES: dict[str, type[Rule]] = {
    "required": Required,
    "one_of_required": OneOfRequired,
    "in_range": InRange,
    "not_before": NotBefore,
    "sums_to": SumsTo,
    "product_of": ProductOf,
    "matches": Matches,
}
"""Every rule that a schema may name."""


def rule(name: str, arguments: Mapping[str, Any]) -> Rule:
    """Return a rule with these arguments. Raises `BadRule` for an unknown rule and for unusable arguments."""
    kind = RULES.get(name)
    if kind is None:
        raise BadRule(f"there is no rule {name!r}: the rules are {', '.join(RULES)}")
    try:
        made = kind.model_validate(dict(arguments))
    except ValidationError as error:
        known = ", ".join(kind.model_fields)
        raise BadRule(f"the rule {name!r}: {explain(error)}; its arguments are {known}") from None
    _require_usable(name, made)
    return made


def rule_over(name: str, arguments: Mapping[str, Any], fields: Mapping[str, FieldKind]) -> Rule:
    """Return a rule over a schema's fields. Raises `BadRule` too for an unknown field or one of the wrong kind."""
    made = rule(name, arguments)
    for argument, field, kinds in made.named():
        if field not in fields:
            raise BadRule(f"the rule {name!r}: {argument} names {field!r}: the fields are {', '.join(fields)}")
        if fields[field] not in kinds:
            needed = " or ".join(sorted(kinds))
            raise BadRule(f"the rule {name!r}: {argument} names {field!r}, a {fields[field]}: it needs {needed}")
    if isinstance(made, InRange):
        _require_bounds_of(made, of_days=fields[made.field] is FieldKind.DATE)
    return made


def full_match(pattern: str) -> TypeAdapter[str]:
    """Return a validator of texts that match a whole pattern, in linear time. Raises `BadRule` for a bad pattern."""
    try:
        return TypeAdapter(Annotated[str, StringConstraints(pattern=rf"^(?:{pattern})$")])
    except Exception:  # noqa: BLE001 - pydantic exports no name for the error of a bad pattern
        raise BadRule(
            f"the rule 'matches': {pattern!r} is no pattern of Rust's regex crate (no look-around, no back-references)"
        ) from None


def measure(value: str | int) -> date | Decimal:
    """Parse a day or a number from its canonical form. Raises `ValueError`."""
    try:
        number = Decimal(value)
    except InvalidOperation:
        return date.fromisoformat(str(value))
    if not number.is_finite():
        raise ValueError(f"{value!r} is no number")
    return number


def _require_usable(name: str, rule: Rule) -> None:
    """Raise `BadRule` for a pattern, range or tolerance that no value could be compared with."""
    bounds: Sequence[str | None] = ()
    if isinstance(rule, Matches):
        full_match(rule.pattern)
    elif isinstance(rule, InRange):
        bounds = (rule.min, rule.max)
        if bounds == (None, None):
            raise BadRule(f"the rule {name!r}: give min, max or both")
    elif isinstance(rule, SumsTo | ProductOf):
        bounds = (rule.tolerance,)
    for bound in bounds:
        try:
            if bound is not None:
                measure(bound)
        except ValueError:
            raise BadRule(f"the rule {name!r}: {bound!r} is neither a number nor a day such as 2026-04-17") from None


def _require_bounds_of(rule: InRange, *, of_days: bool) -> None:
    """Raise `BadRule` for a bound that is a day where the field is a number, or the other way round."""
    for bound in (rule.min, rule.max):
        if bound is not None and isinstance(measure(bound), date) != of_days:
            what = "a day such as 2026-04-17" if of_days else "a number"
            raise BadRule(f"the rule 'in_range': {bound!r} is not {what}, but {rule.field!r} is")
