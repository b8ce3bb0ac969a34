"""Checks business rules over a record with Guardrails AI validators, with the library's telemetry and tracing off."""

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

# Both must be off before the first validator is made: metrics are sent to a remote host, and tracing writes the checked
# values into spans.
settings.rc.enable_metrics = False
settings.disable_tracing = True

_register = cast("Any", validator_base).register_validator

RuleType = TypeVar("RuleType", bound=Rule)


class _RecordRule(Validator, Generic[RuleType]):
    """A validator over a record's values by field name. Its failures name the values, never the document."""

    def __init__(self, rule: RuleType) -> None:
        super().__init__()
        self.rule = rule

    def validate(self, value: Any, metadata: dict[str, Any]) -> ValidationResult:
        """Check the rule. It passes where a field that it needs is not stated: `required` is a rule of its own."""
        fault = self.fault(cast("Mapping[str, Any]", value))
        return PassResult() if fault is None else FailResult(error_message=fault)

    def fault(self, values: Mapping[str, Any]) -> str | None:
        """Return what is wrong, in plain words; None where nothing is."""
        raise NotImplementedError


@_register(name="perdure/record_required", data_type="object")
class RequiredFields(_RecordRule[Required]):
    """All of these fields are stated."""

    def fault(self, values: Mapping[str, Any]) -> str | None:
        missing = [name for name in self.rule.fields if values.get(name) is None]
        return f"not stated: {', '.join(missing)}" if missing else None


@_register(name="perdure/record_one_of_required", data_type="object")
class OneOfRequiredFields(_RecordRule[OneOfRequired]):
    """At least one of these fields is stated."""

    def fault(self, values: Mapping[str, Any]) -> str | None:
        if any(values.get(name) is not None for name in self.rule.fields):
            return None
        return f"none of {', '.join(self.rule.fields)} is stated: one is needed"


@_register(name="perdure/record_in_range", data_type="object")
class WithinRange(_RecordRule[InRange]):
    """A number or a day is within its bounds."""

    def fault(self, values: Mapping[str, Any]) -> str | None:
        value = values.get(self.rule.field)
        if value is None:
            return None
        bounds = [None if bound is None else measure(bound) for bound in (self.rule.min, self.rule.max)]
        minimum, maximum = cast("list[Decimal | None]", bounds)  # days compare as numbers do
        number = cast("Decimal", measure(value))
        if minimum is not None and number < minimum:
            return f"{self.rule.field} is {value}, below {self.rule.min}"
        if maximum is not None and number > maximum:
            return f"{self.rule.field} is {value}, above {self.rule.max}"
        return None


@_register(name="perdure/record_not_before", data_type="object")
class NotBeforeOther(_RecordRule[NotBefore]):
    """A day is not before another."""

    def fault(self, values: Mapping[str, Any]) -> str | None:
        later, earlier = values.get(self.rule.field), values.get(self.rule.other)
        if later is None or earlier is None or date.fromisoformat(later) >= date.fromisoformat(earlier):
            return None
        return f"{self.rule.field} {later} is before {self.rule.other} {earlier}"


@_register(name="perdure/record_sums_to", data_type="object")
class SumsToTotal(_RecordRule[SumsTo]):
    """The parts add up to the total."""

    def fault(self, values: Mapping[str, Any]) -> str | None:
        rule = self.rule
        return _equal(values, rule.total, rule.parts, rule.tolerance, sign="+", compute=sum)


@_register(name="perdure/record_product_of", data_type="object")
class ProductOfFactors(_RecordRule[ProductOf]):
    """The factors multiply to the product."""

    def fault(self, values: Mapping[str, Any]) -> str | None:
        rule = self.rule
        return _equal(
            values,
            rule.product,
            rule.factors,
            rule.tolerance,
            sign="\u00d7",
            compute=lambda parts: reduce(mul, parts),
        )


@_register(name="perdure/record_matches", data_type="object")
class MatchesPattern(_RecordRule[Matches]):
    """A text matches a pattern as a whole."""

    def fault(self, values: Mapping[str, Any]) -> str | None:
        value = values.get(self.rule.field)
        if value is None:
            return None
        try:
            full_match(self.rule.pattern).validate_python(value)
        except ValidationError:
            return f"{self.rule.field} is {value!r}, which does not match {self.rule.pattern!r}"
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
    """Return how a result differs from the value computed from its parts; None where it is within the tolerance."""
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
    """The validator of each rule that a schema may name."""

    async def check(self, rules: Sequence[GuardSpec], record: Record) -> tuple[Problem, ...]:
        parsed_rules = [_parsed_rule(spec) for spec in rules]
        return await asyncio.to_thread(self._check, parsed_rules, record)

    def _check(self, parsed_rules: Sequence[Rule], record: Record) -> tuple[Problem, ...]:
        values = record.values()
        problems: list[Problem] = []
        for parsed_rule in parsed_rules:
            result = self.validators[type(parsed_rule)](parsed_rule).validate(values, {})
            if isinstance(result, FailResult):
                _, field, _ = next(iter(parsed_rule.named()))
                problems.append(Problem(where=field, reason=result.error_message))
        return tuple(problems)


def _parsed_rule(spec: GuardSpec) -> Rule:
    try:
        return rule(spec.guard, spec.arguments)
    except BadRule as error:
        raise NotConfigured(str(error)) from None
