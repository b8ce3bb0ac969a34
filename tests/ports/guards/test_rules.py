"""A rule is kept, or gives one problem in plain words with the values."""

from typing import Any

import pytest

from activities.adapters.guards.record_rules import RecordRules
from activities.ports import NotConfigured, Rules
from agents.rules import RULES
from perdure.contracts.chains.extraction import FieldValue, Record
from perdure.contracts.guards import GuardSpec


def record(**values: str | int | None) -> Record:
    return Record(fields=tuple(FieldValue(name=name, value=value) for name, value in values.items()))


BILL = record(net="1000.00", tax="250", total="1250.00", count=4, each="250.00", issued="2026-05-02", due="2026-05-01")

SUM = {"total": "total", "parts": ["net", "tax"]}
FAULTY: list[tuple[str, dict[str, Any], str, str]] = [
    ("required", {"fields": ["net", "seller", "buyer"]}, "net", "not stated: seller, buyer"),
    ("one_of_required", {"fields": ["seller", "buyer"]}, "seller", "none of seller, buyer is stated: one is needed"),
    ("in_range", {"field": "total", "max": "1000"}, "total", "total is 1250.00, above 1000"),
    ("in_range", {"field": "due", "min": "2026-06-01"}, "due", "due is 2026-05-01, below 2026-06-01"),
    ("not_before", {"field": "due", "other": "issued"}, "due", "due 2026-05-01 is before issued 2026-05-02"),
    (
        "sums_to",
        {"total": "net", "parts": ["tax", "each"]},
        "net",
        "tax 250 + each 250.00 is 500.00, but net is 1000.00",
    ),
    (
        "product_of",
        {"product": "total", "factors": ["count", "each"], "tolerance": "1"},
        "total",
        "count 4 \u00d7 each 250.00 is 1000.00, but total is 1250.00",
    ),
    (
        "matches",
        {"field": "issued", "pattern": "[0-9]{4}"},
        "issued",
        "issued is '2026-05-02', which does not match '[0-9]{4}'",
    ),
]
KEPT: list[tuple[str, dict[str, Any]]] = [
    ("required", {"fields": ["net", "tax"]}),
    ("one_of_required", {"fields": ["seller", "net"]}),
    ("in_range", {"field": "total", "min": "1250", "max": "1250"}),
    ("in_range", {"field": "due", "min": "2026-05-01", "max": "2026-05-01"}),
    ("not_before", {"field": "issued", "other": "due"}),
    ("not_before", {"field": "due", "other": "due"}),
    ("sums_to", SUM),
    ("sums_to", {"total": "total", "parts": ["net", "each"], "tolerance": "0.01"}),
    ("product_of", {"product": "net", "factors": ["count", "each"]}),
    ("matches", {"field": "issued", "pattern": r"\d+-\d+-\d+"}),
]


@pytest.fixture
def rules() -> Rules:
    return RecordRules()


@pytest.mark.parametrize(("name", "arguments", "where", "reason"), FAULTY)
async def test_a_broken_rule_is_one_problem_with_the_values(
    rules: Rules, name: str, arguments: dict[str, Any], where: str, reason: str
) -> None:
    (problem,) = await rules.check([GuardSpec(guard=name, arguments=arguments)], BILL)
    assert (problem.where, problem.reason) == (where, reason)


@pytest.mark.parametrize(("name", "arguments"), KEPT)
async def test_a_rule_that_holds_is_no_problem(rules: Rules, name: str, arguments: dict[str, Any]) -> None:
    assert await rules.check([GuardSpec(guard=name, arguments=arguments)], BILL) == ()


@pytest.mark.parametrize(("name", "arguments", "_where", "_reason"), FAULTY[2:])
async def test_a_field_that_is_not_stated_breaks_only_rules_that_require_it(
    rules: Rules, name: str, arguments: dict[str, Any], _where: str, _reason: str
) -> None:
    assert await rules.check([GuardSpec(guard=name, arguments=arguments)], record()) == ()


async def test_problems_come_in_the_order_of_the_rules(rules: Rules) -> None:
    specs = [GuardSpec(guard=name, arguments=arguments) for name, arguments, *_ in FAULTY]
    problems = await rules.check(specs, BILL)
    assert [problem.where for problem in problems] == [where for _, _, where, _ in FAULTY]


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        (GuardSpec(guard="adds_up"), "there is no rule 'adds_up': the rules are required,"),
        (GuardSpec(guard="sums_to", arguments={"total": "t"}), "the rule 'sums_to': parts: Field required"),
        (GuardSpec(guard="matches", arguments={"field": "f", "pattern": "("}), "'(' is no pattern"),
        (GuardSpec(guard="sums_to", arguments={**SUM, "tolerance": "little"}), "'little' is neither a number"),
    ],
)
async def test_a_rule_that_cannot_be_used_is_named(rules: Rules, spec: GuardSpec, complaint: str) -> None:
    with pytest.raises(NotConfigured) as refusal:
        await rules.check([spec], BILL)
    assert complaint in str(refusal.value)


def test_every_rule_of_the_catalogue_has_its_validator() -> None:
    assert RecordRules.validators.keys() == set(RULES.values())


async def test_a_pattern_cannot_stall_a_worker(rules: Rules) -> None:
    evil = GuardSpec(guard="matches", arguments={"field": "name", "pattern": "(a+)+b"})
    (problem,) = await rules.check([evil], record(name="a" * 5000))
    assert problem.where == "name"
