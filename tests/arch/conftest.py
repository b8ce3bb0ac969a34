"""A copy of the checkout's code, in which a test may plant a breach."""

import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from activities.settings import ROOT

PACKAGES = tuple(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"])

Copy = Callable[[str], Path]


@pytest.fixture(scope="session")
def copy_of_the_code(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """Make a new copy of everything that the linters look at."""

    def copy(name: str) -> Path:
        root = tmp_path_factory.mktemp(name)
        sources = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
        others = [ROOT / "pyproject.toml", ROOT / "workflows" / "ruff.toml", ROOT / "tests" / "arch" / "only.py"]
        for source in [*sources, *others]:
            target = root / source.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        return root

    return copy
