"""Every file says what it is in its first line, every folder has a README, and no file names a machine."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from activities.settings import ROOT
from tests.arch.conftest import PACKAGES
from tests.arch.files import text_of, written

WRITTEN = written()
MODULES = [path for path in WRITTEN if path.suffix == ".py"]
FOLDERS = [*PACKAGES, "tests"]

READMES = [path for path in WRITTEN if path.name == "README.md" and path.parent != ROOT]
PAGES = [path for path in WRITTEN if path.suffix == ".md" and path.parent != ROOT and "datasets" not in path.parts]

LINES_OF_A_MODULE = 300
LINES_OF_A_README = 60
COLUMNS = 120
NO_ROOMS = ("__pycache__",)
MEASURED = "MODEL_CARD.md"
"""Its figures are written by `make train-injection`."""

# Put together here, so that this file does not hold what it looks for.
MACHINE_PATH = re.compile(r"(?<![\w.~-])/(?:root|work|home|Users)" + r"/\w")
INDEX_HOST = re.compile("pypi" + r"\.org|python" + r"hosted\.org")

each_module = pytest.mark.parametrize("module", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())


@each_module
def test_a_module_begins_with_a_sentence(module: Path) -> None:
    docstring = ast.get_docstring(ast.parse(module.read_text()), clean=False) or ""
    assert docstring.split("\n")[0].rstrip().endswith((".", "!", "?"))


@each_module
def test_a_module_is_one_thought(module: Path) -> None:
    assert len(module.read_text().splitlines()) <= LINES_OF_A_MODULE


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_has_a_readme(folder: str) -> None:
    assert (ROOT / folder / "README.md").is_file()


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_readme_says_who_comes_here_and_what_may_be_imported(folder: str) -> None:
    text = (ROOT / folder / "README.md").read_text()
    assert "**Who comes here:** " in text
    assert "**May import:** " in text


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_readme_names_every_room_of_its_folder(folder: str) -> None:
    rooms = {
        path.name
        for path in (ROOT / folder).iterdir()
        if path.is_dir() and path.name[0] != "." and any(path.glob("[!_]*"))
    }
    named = re.findall(r"`([\w-]+)/", (ROOT / folder / "README.md").read_text())
    assert rooms - set(named) - set(NO_ROOMS) == set()


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.parent.relative_to(ROOT).as_posix())
def test_a_readme_is_read_in_a_minute(readme: Path) -> None:
    assert 3 <= len(readme.read_text().splitlines()) <= LINES_OF_A_README


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_prose_of_a_page_keeps_to_its_columns(page: Path) -> None:
    prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    lines = [line for line in prose.splitlines() if len(line) > COLUMNS and not line.startswith(("|", "!"))]
    assert page.name == MEASURED or lines == []


def test_the_package_of_activities_imports_nothing() -> None:
    (docstring,) = ast.parse((ROOT / "activities" / "__init__.py").read_text()).body
    assert isinstance(docstring, ast.Expr)


def test_no_file_names_a_path_of_one_machine() -> None:
    assert {path.relative_to(ROOT).as_posix() for path in WRITTEN if MACHINE_PATH.search(text_of(path) or "")} == set()


def test_no_file_names_a_package_index() -> None:
    hosts = [re.escape(host) for host in configured_hosts()]
    pattern = re.compile("|".join([INDEX_HOST.pattern, *hosts]))
    assert {path.relative_to(ROOT).as_posix() for path in WRITTEN if pattern.search(text_of(path) or "")} == set()


@pytest.mark.parametrize("text", ["cd " + "/work" + "/main", '"' + "/home" + '/ann/x"', "see file://" + "/root" + "/x"])
def test_a_planted_path_is_found(text: str) -> None:
    assert MACHINE_PATH.search(text)


def configured_hosts() -> set[str]:
    """The hosts from which this machine installs packages: they are nobody else's business."""
    configured = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    addresses: list[str] = re.findall(r"https?://[^\s'\"]+", configured.stdout)
    return {host for host in (urlsplit(address).hostname for address in addresses) if host}
