"""Nothing installed takes our folders' names, and the lock installs the same bytes everywhere."""

import importlib.metadata
import re
import tomllib

import pytest

from activities.settings import ROOT

OURS = {"agents", "tools", "workflows", "activities", "evals", "api", "deploy", "tests", "worker"}

LOCK = (ROOT / "requirements.lock").read_text()

FORM = re.compile(r"[\w.-]+(\[[\w,-]+\])?==[\w.+]+( ;[^\n]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+(\n    #[^\n]*)*\n?")
"""One requirement: an exact version, perhaps a marker, hashes, and where it comes from."""


def locked() -> list[tuple[str, str]]:
    """Each requirement of the lock: the package's name, and all that the lock says of it."""
    requirements = [block for block in re.split(r"\n(?=\S)", LOCK) if not block.startswith("#")]
    return [(re.split(r"[^\w.-]", block)[0], block) for block in requirements]


def test_no_installed_distribution_takes_a_name_of_ours() -> None:
    taken = {name: owners for name, owners in importlib.metadata.packages_distributions().items() if name in OURS}
    assert taken == {}


def test_every_locked_package_has_one_version_and_a_hash() -> None:
    requirements = locked()
    assert len(requirements) > 100
    assert [name for name, block in requirements if not FORM.fullmatch(block)] == []


@pytest.mark.parametrize("line", ["cffi", "cffi==2.0", "cffi>=2 \\\n    --hash=sha256:" + 64 * "0"])
def test_a_requirement_without_hash_or_version_is_found(line: str) -> None:
    assert not FORM.fullmatch(line)


def test_the_lock_names_no_address_and_no_index() -> None:
    assert "://" not in LOCK
    assert [line for line in LOCK.splitlines() if line.startswith("-")] == []
    assert " @ " not in LOCK


def test_what_the_project_asks_for_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups: dict[str, list[str]] = project["dependency-groups"]
    asked: list[str] = [*project["project"]["dependencies"], *groups["platform"], *groups["dev"]]
    names = {re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", line)[0]).lower() for line in asked}
    assert names - {name for name, _ in locked()} == set()
