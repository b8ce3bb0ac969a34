"""A value that was given is never taken for a missing one because it is 0, "" or empty: `None` is what is missing."""

import ast
from collections.abc import Iterator

import pytest

from activities.settings import ROOT
from tests.arch.files import written

FOLDERS = ("perdure", "workflows", "activities", "agents", "tools", "deploy", "api")

ALLOWED = {
    "token or None": "an empty PERDURE_TOKEN is how a shell unsets it, and tests/cli/test_caller_token.py says so",
    "status or WorkflowExecutionStatus.RUNNING": "no state of Temporal's is falsy",
    "resolve or _SystemResolver()": "a function is never falsy",
    "tls or httpx.create_ssl_context()": "a context is never falsy",
    "now or datetime.now(UTC)": "a moment is never falsy",
    "headers or ({} if key is None else {'Authorization': f'Bearer {key}'})": "no headers, and the key's own header",
    "seconds or self._seconds": "no time at all is no limit of a query",
}
"""Defaults in the place of a falsy value that is right, each with the reason."""


def taken_for_missing(source: str) -> Iterator[tuple[int, str]]:
    """Return the places where a parameter that may be `None` has a default by `or`, unless it is as empty itself."""
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        arguments = (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
        optional = {one.arg for one in arguments if one.annotation and "| None" in ast.unparse(one.annotation)}
        judged = {id(node) for test in _tests(function) for node in ast.walk(test)}
        for node in ast.walk(function):
            if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or) and id(node) not in judged:
                names = {one.id for one in node.values[:-1] if isinstance(one, ast.Name)}
                if names & optional and not _is_empty(node.values[-1]):
                    yield node.lineno, ast.unparse(node)


def _tests(function: ast.AST) -> Iterator[ast.expr]:
    """Return the conditions within a function: there `or` chooses no value."""
    for node in ast.walk(function):
        match node:
            case ast.If() | ast.While() | ast.IfExp() | ast.Assert():
                yield node.test
            case ast.comprehension():
                yield from node.ifs
            case ast.UnaryOp(op=ast.Not()):
                yield node.operand
            case _:
                pass


def _is_empty(default: ast.expr) -> bool:
    try:
        return not ast.literal_eval(default)
    except ValueError:
        return False


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_default_stands_for_none_alone(folder: str) -> None:
    files = [path for path in written() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] == folder]
    assert files
    found = {
        f"{path.relative_to(ROOT)}:{line}: {code}"
        for path in files
        for line, code in taken_for_missing(path.read_text())
        if code not in ALLOWED
    }
    assert not found, "write `default if x is None else x`"


@pytest.mark.parametrize(
    ("source", "is_found"),
    [
        ("def f(id: str | None) -> str:\n    return id or new()", True),
        ("def f(*, budget: Budget | None = None):\n    g(budget or Budget())", True),
        ("async def f(wait: float | None):\n    x = wait or 1.5", True),
        ("def f(id: str | None) -> str:\n    return new() if id is None else id", False),
        ("def f(items: list[str] | None):\n    return items or []", False),
        ("def f(a: str | None, b: bool):\n    if a or b: g()", False),
        ("def f(id: str) -> str:\n    return id or 'none'", False),
    ],
)
def test_the_rule_finds_what_it_is_for(source: str, *, is_found: bool) -> None:
    assert bool(list(taken_for_missing(source))) == is_found
