"""Business rules over a record, as Guardrails AI validators, with the library's telemetry and tracing off."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import reduce
from operator import mul
from typing import Any, ClassVar, Generic, TypeVar, cast

from guardrails import validator_base
from guardrails.settings import settings
from guardrails.validator_base import FailResult, PassResult, ValidationResult, Validator
from pydantic import ValidationError

from activities.ports import NotConfigured
from agents.rules import (
    BadRule,
    InRange,
    Matches,
    NotBefore,
    OneOfRequired,
    ProductOf,
    Required,
    Rule,
    SumsTo,
    full_match,
    measure,
    rule,
)
from perdure.contracts.chains.extraction import Problem, Record
from perdure.contracts.guards import GuardSpec

# Both must be off before the first validator is made: one reports to a remote host, the other writes what is checked
# into spans.
settings.rc.enable_metrics = False
settings.disable_tracing = True

_register = cast("Any", validator_base).register_validator

Given = TypeVar("Given", bound=Rule)


class _RecordRule(Validator, Generic[Given]):
    """A validator over a record's values by field name. Its failures name the values, never the document."""

    def __init__(self, given: Given) -> None:
        super().__init__()
        self.given = given

    def validate(self, value: Any, metadata: dict[str, Any]) -> ValidationResult:
        """Passes where a field that the rule needs is not stated: `required` is a rule of its own."""
        fault = self.fault(cast("Mapping[str, Any]", value))
        return PassResult() if fault is None else FailResult(error_message=fault)

    def fault(self, values: Mapping[str, Any]) -> str | None:
        """What is wrong, in plain words; None where nothing is."""
        raise NotImplementedError


@_register(name="perdure/record_required", data_type="object")
class RequiredFields(_RecordRule[Required]):
    """All of these fields are stated."""

    def fault(self, values: Mapping[str, Any]) -> str | None:
        missing = [name for name in self.given.fields if values.get(name) is None]
        return f"not stated: {', '.join(missing)}" if missing else None


@_register(name="perdure/record_one_of_required", data_type="object")
class OneOfRequiredFields(_RecordRule[OneOfRequired]):
    """At least one of these fields is stated."""

    def fault(self, values: Mapping[str, Any]) -> str | None:
        if any(values.get(name) is not None for name in self.given.fields):
            return None
        return f"none of {', '.join(self.given.fields)} is stated: one is needed"


@_register(name="perdure/record_in_range", data_type="object")
class WithinRange(_RecordRule[InRange]):
    """A number or a day is within its bounds."""

    def fault(self, values: Mapping[str, Any]) -> str | None:
        value = values.get(self.given.field)
        if value is None:
            return None
        bounds = [None if bound is None else measure(bound) for bound in (self.given.min, self.given.max)]
        least, most = cast("list[Decimal | None]", bounds)  # days compare as numbers do
        found = cast("Decimal", measure(value))
        if least is not None and found < least:
            return f"{self.given.field} is {value}, below {self.given.min}"
        if most is not None and found > most:
            return f"{self.given.field} is {value}, above {self.given.max}"
        return None


@_register(name="perdure/record_not_before", data_type="object")
class NotBeforeOther(_RecordRule[NotBefore]):
    """A day is not before another."""

    def fault(self, values: Mapping[str, Any]) -> str | None:
        later, earlier = values.get(self.given.field), values.get(self.given.other)
        if later is None or earlier is None or date.fromisoformat(later) >= date.fromisoformat(earlier):
            return None
        return f"{self.given.field} {later} is before {self.given.other} {earlier}"


@_register(name="perdure/record_sums_to", data_type="object")
class SumsToTotal(_RecordRule[SumsTo]):
    """The parts add up to the total."""

    def fault(self, values: Mapping[str, Any]) -> str | None:
        given = self.given
        return _equal(values, given.total, given.parts, given.tolerance, sign="+", compute=sum)


@_register(name="perdure/record_product_of", data_type="object")
class ProductOfFactors(_RecordRule[ProductOf]):
    """The factors multiply to the product."""

    def fault(self, values: Mapping[str, Any]) -> str | None:
        given = self.given
        return _equal(
            values,
            given.product,
            given.factors,
            given.tolerance,
            sign="\u00d7",
            compute=lambda parts: reduce(mul, parts),
        )


@_register(name="perdure/record_matches", data_type="object")
class MatchesPattern(_RecordRule[Matches]):
    """A text matches a pattern as a whole."""

    def fault(self, values: Mapping[str, Any]) -> str | None:
        value = values.get(self.given.field)
        if value is None:
            return None
        try:
            full_match(self.given.pattern).validate_python(value)
        except ValidationError:
            return f"{self.given.field} is {value!r}, which does not match {self.given.pattern!r}"
        return None


def _equal(
    values: Mapping[str, Any],
    result: str,
    parts: Sequence[str],
    tolerance: str,
    *,
    sign: str,
    compute: Callable[[list[Decimal]], Decimal | int],
) -> str | None:
    """How a result differs from what its parts make, by more than the tolerance; None where it does not."""
    if any(values.get(name) is None for name in (result, *parts)):
        return None
    computed = compute([Decimal(values[name]) for name in parts])
    if abs(computed - Decimal(values[result])) <= Decimal(tolerance):
        return None
    shown = f" {sign} ".join(f"{name} {values[name]}" for name in parts)
    return f"{shown} is {computed}, but {result} is {values[result]}"


class RecordRules:
    """The rules port over Guardrails AI validators."""

    validators: ClassVar[dict[type[Rule], type[_RecordRule[Any]]]] = {
        Required: RequiredFields,
        OneOfRequired: OneOfRequiredFields,
        InRange: WithinRange,
        NotBefore: NotBeforeOther,
        SumsTo: SumsToTotal,
        ProductOf: ProductOfFactors,
        Matches: MatchesPattern,
    }
    """One for each rule that a schema may name."""

    async def check(self, rules: Sequence[GuardSpec], record: Record) -> tuple[Problem, ...]:
        given = [_given(asked) for asked in rules]
        return await asyncio.to_thread(self._check, given, record)

    def _check(self, given: Sequence[Rule], record: Record) -> tuple[Problem, ...]:
        values = record.values()
        problems: list[Problem] = []
        for one in given:
            result = self.validators[type(one)](one).validate(values, {})
            if isinstance(result, FailResult):
                _, field, _ = next(iter(one.named()))
                problems.append(Problem(where=field, reason=result.error_message))
        return tuple(problems)


def _given(asked: GuardSpec) -> Rule:
    try:
        return rule(asked.guard, asked.arguments)
    except BadRule as error:
        raise NotConfigured(str(error)) from None
