"""The calculator is exact, and refuses everything that is not arithmetic."""

import pytest

from perdure.contracts.contract import BadInput
from tools.base import ToolContext, ToolEffect
from tools.calculator import calculator
from tools.folder import all_tools

BY_HAND = ToolContext(tenant="default", run="r", step="s", key="k")


@pytest.mark.parametrize(
    ("expression", "result"),
    [("0.1 + 0.2", "0.3"), ("(12.5 + 3) * -4", "-62"), ("1 / 8", "0.125"), ("1e30 * 1e30", "1E+60"), ("7", "7")],
)
async def test_results_are_exact(expression: str, result: str) -> None:
    assert await calculator.use(BY_HAND, {"expression": expression}) == result


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"expression": "1 / 0"}, "has no result"),
        ({"expression": "2 ** 9"}, "is not allowed"),
        ({"expression": "__import__('os')"}, "is not allowed"),
        ({"expression": "True"}, "is not allowed"),
        ({"expression": "1 +"}, "is not arithmetic"),
        ({"expression": "1" * 201}, "at most 200 characters"),
        ({"expression": "(" * 150}, "is not arithmetic"),
        ({}, "expression: Field required"),
        ({"expression": "1", "base": 10}, "base: Extra inputs are not permitted"),
    ],
)
async def test_what_is_not_arithmetic_is_refused_in_one_line(arguments: dict[str, object], reason: str) -> None:
    with pytest.raises(BadInput) as refusal:
        await calculator.use(BY_HAND, arguments)
    assert reason in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_every_tool_in_the_folder_is_found_and_documented() -> None:
    tools = all_tools()
    assert tools["calculator"] is calculator
    assert all(tool.description and tool.effect in ToolEffect for tool in tools.values())


def test_a_changed_schema_changes_what_a_run_pins() -> None:
    assert calculator.digest == calculator.digest
    assert len({tool.digest for tool in all_tools().values()}) == len(all_tools())
