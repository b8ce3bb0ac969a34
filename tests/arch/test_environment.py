"""Only `activities/settings` reads or changes the environment. There are no exceptions."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from activities.settings import ROOT
from tests.arch.conftest import PACKAGES

READERS = ROOT / "activities" / "settings"

MODULES = sorted(
    path
    for path in [ROOT / "worker.py", *(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))]
    if not path.is_relative_to(READERS)
)

READS = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv", "load_dotenv", "dotenv_values"}


def reads_of_the_environment(tree: ast.AST) -> Iterator[int]:
    """The lines that read or change this process's environment, whatever `os` is called there."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name, lineno=line) if name in READS:
                yield line
            case ast.ImportFrom(names=names, lineno=line) if any(alias.name in READS for alias in names):
                yield line
            case _:
                pass


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_other_module_reads_the_environment(module: Path) -> None:
    assert list(reads_of_the_environment(ast.parse(module.read_text()))) == []


def test_the_settings_do_read_it() -> None:
    assert list(reads_of_the_environment(ast.parse((READERS / "__init__.py").read_text())))


@pytest.mark.parametrize(
    "line",
    ["import os\nos.environ['A']", "import os as o\no.getenv('A')", "from os import environ", "os.environ.copy()"],
)
def test_a_planted_read_is_found(line: str) -> None:
    assert list(reads_of_the_environment(ast.parse(line)))
