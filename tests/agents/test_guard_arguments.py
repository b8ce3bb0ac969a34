"""The arguments of guards are checked when a spec's file is read: one line for each mistake, and exact numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.guards.guardrails_catalogue import GUARDS
from activities.settings import ROOT
from agents.chain_file import parse_chain
from agents.guard_arguments import ARGUMENTS, mistakes
from agents.spec_file import BadSpec

NUMBERS = [
    (guard, name)
    for guard, shape in ARGUMENTS.items()
    for name, field in shape.model_fields.items()
    if str(field.annotation) in {str(int), str(float), str(float | None)}
]
"""Every argument that is a number, with its guard."""
NO_NUMBERS = st.booleans() | st.text() | st.sampled_from([float("nan"), float("inf"), float("-inf")])


def test_the_arguments_of_every_guard_that_has_some_are_checked() -> None:
    assert {name: GUARDS[name].arguments for name in ARGUMENTS} == ARGUMENTS
    assert all(name in ARGUMENTS for name, guard in GUARDS.items() if guard.arguments.model_fields)


@given(st.sampled_from(NUMBERS), NO_NUMBERS)
def test_no_truth_value_text_or_infinite_number_is_a_number(argument: tuple[str, str], value: object) -> None:
    guard, name = argument
    usual = {"max": 10} if guard == "valid_length" else {}
    [line] = mistakes({"screen": [{"guard": guard, "arguments": {**usual, name: value}}]})
    assert line.startswith(f"screen.0.arguments.{name}: write a ")


@pytest.mark.parametrize("value", [4000.0, 0, -1])
def test_a_length_is_a_whole_number_above_zero(value: object) -> None:
    [line] = mistakes({"check": [{"guard": "valid_length", "arguments": {"max": value}}]})
    assert line.startswith("check.0.arguments.max: ")
    assert f"(got {value})" in line


def test_limits_that_no_text_meets_and_unknown_arguments_are_named() -> None:
    lines = list(
        mistakes(
            {
                "screen": [{"guard": "valid_length", "arguments": {"min": 5, "max": 4}}, {"guard": "pii"}],
                "check": [{"guard": "pii", "arguments": {"kinds": ["EMAIL_ADDRESS"], "threshold": 2}}],
                "rules": [{"guard": "required", "arguments": {"fields": 3}}],
            }
        )
    )
    assert lines[0].startswith("screen.0.arguments.input: min = 5 is above max = 4")
    assert [line.split(":")[0] for line in lines[1:]] == ["check.0.arguments.threshold", "check.0.arguments.kinds"]
    assert all(line.endswith("; the arguments of pii are entities, threshold") for line in lines[1:])


def test_each_mistake_of_a_file_has_a_line_with_file_key_value_and_remedy() -> None:
    shipped = (ROOT / "agents" / "handbook.toml").read_text()
    wrong = shipped.replace("passages = ", "passages = true # ", 1).replace("max = 4000 ", 'max = "4" ', 1)
    assert "passages = true #" in wrong
    assert 'max = "4" }' in wrong
    with pytest.raises(BadSpec) as error:
        parse_chain("handbook", wrong.encode())
    lines = str(error.value).split("\n")
    assert [line.split(" (got ")[0] for line in lines] == [
        "agents/handbook.toml: passages: write a number without quotation marks, and not true or false",
        "agents/handbook.toml: screen.0.arguments.max: write a number without quotation marks, and not true or false",
    ]
    assert ["(got True)" in lines[0], "(got '4')" in lines[1]] == [True, True]
