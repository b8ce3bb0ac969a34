"""What no linter sees in workflow code: that a body decides nothing, and that nothing depends on one process."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from activities.settings import ROOT

MODULES = sorted((ROOT / "workflows").rglob("*.py"))

OF_ONE_PROCESS = ("open", "hash", "id", "eval", "exec", "compile", "globals", "set", "frozenset", "__import__")
"""Builtins whose answers differ between two processes, or that reach past the fences."""


def reads_of_a_body(tree: ast.AST) -> Iterator[int]:
    """The lines that read `.body` of anything, by attribute, by pattern or by name."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr="body", lineno=line):
                yield line
            case ast.MatchClass(kwd_attrs=names, lineno=line) if "body" in names:
                yield line
            case ast.Constant(value="body", lineno=line):
                yield line
            case _:
                pass


def calls_of_one_process(tree: ast.AST) -> Iterator[int]:
    """The lines that call a builtin of `OF_ONE_PROCESS`, or that make a set: its order differs between processes."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load(), lineno=line) if name in OF_ONE_PROCESS:
                yield line
            case ast.Set(lineno=line) | ast.SetComp(lineno=line):
                yield line
            case _:
                pass


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_no_workflow_reads_a_body(module: Path) -> None:
    assert list(reads_of_a_body(ast.parse(module.read_text()))) == []


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_no_workflow_depends_on_one_process(module: Path) -> None:
    assert list(calls_of_one_process(ast.parse(module.read_text()))) == []


@pytest.mark.parametrize(
    "line",
    [
        "if ask.question.body: pass",
        "match ask.question:\n  case Text(body=found): pass",
        "getattr(ask.question, 'body')",
        "ask.model_dump()['question']['body']",
    ],
)
def test_a_planted_read_of_a_body_is_found(line: str) -> None:
    assert list(reads_of_a_body(ast.parse((ROOT / "workflows/chain.py").read_text() + line)))


@pytest.mark.parametrize(
    "line",
    ["open('file')", "hash('text')", "id(run)", "for name in {a, b}: pass", "set(names)", "{name for name in names}"],
)
def test_a_planted_dependence_on_one_process_is_found(line: str) -> None:
    assert list(calls_of_one_process(ast.parse((ROOT / "workflows/effects.py").read_text() + line)))
