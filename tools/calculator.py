"""The tool that calculates arithmetic exactly: decimals, not floats, and no expression that could run long."""

import ast
from collections.abc import Callable
from decimal import Decimal, DecimalException, localcontext
from math import isfinite

from pydantic import Field

from perdure.contracts.contract import BadInput
from tools.base import ToolArguments, ToolContext, ToolEffect, tool

DIGITS = 28
"""The significant digits of every step."""

LONGEST = 200
"""The longest expression, in characters."""

OPERATORS: dict[type[ast.operator], Callable[[Decimal, Decimal], Decimal]] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    ast.Div: lambda left, right: left / right,
}


class Calculation(ToolArguments):
    """What to calculate."""

    expression: str = Field(max_length=LONGEST)
    """Numbers, + - * / and parentheses, for example `(12.5 + 3) * 4`."""


@tool(ToolEffect.READ_ONLY, quick=True)
async def calculator(_: ToolContext, asked: Calculation) -> str:
    """Calculate an arithmetic expression of numbers, + - * / and parentheses. Results have 28 significant digits."""
    try:
        tree = ast.parse(asked.expression.strip(), mode="eval")
        with localcontext(prec=DIGITS):
            result = _value(tree.body).normalize()
            return f"{result:f}" if abs(result.adjusted()) <= DIGITS else str(result)
    except SyntaxError:
        raise BadInput(f"expression: {asked.expression!r} is not arithmetic: use numbers, + - * / and ()") from None
    except DecimalException as error:
        kind = type(error).__name__
        raise BadInput(f"expression: {asked.expression!r} has no result ({kind}): check for a division by 0") from None


def _value(node: ast.expr) -> Decimal:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool) and isfinite(number):
            return Decimal(repr(number))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in OPERATORS:
            return OPERATORS[type(operator)](_value(left), _value(right))
        case _:
            raise BadInput(f"expression: {ast.unparse(node)!r} is not allowed: use numbers, + - * / and ()")
