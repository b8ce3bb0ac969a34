"""The recipes of `CONTRIBUTING.md` as data, and a copy of the checkout in which a test follows one."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from activities.settings import ROOT, environment_with
from tests.arch.files import written

PAGE = ROOT / "CONTRIBUTING.md"

Edit = Callable[[str], str]
"""A file's text as it was, and as the throw-away change leaves it; the text of a new file was empty."""

LEFT_OUT = ("evals/datasets", "tests/replay/histories", "tests/replay/before_the_registry", "CHANGELOG.md")
"""Large data that no recipe's check reads."""


@dataclass(frozen=True)
class Recipe:
    """One kind of change: the files that it always touches, and those of its steps that begin with "If"."""

    files: tuple[str, ...]
    further: tuple[str, ...]
    done: str


def recipes(text: str) -> dict[str, Recipe]:
    """Every recipe of the page, by its heading."""
    sections = re.split(r"^### ", text.partition("\n## Recipes\n")[2], flags=re.MULTILINE)[1:]
    return {section.partition("\n")[0]: _recipe(section) for section in sections}


def _recipe(section: str) -> Recipe:
    steps = [
        " ".join(step.split()) for step in re.findall(r"^\d+\. (.*?)(?=^\S|\Z)", section, re.MULTILINE | re.DOTALL)
    ]
    always = [step for step in steps if not step.startswith("If ")]
    files = [re.findall(r"`([\w./]+)`", step)[0] for step in always]
    further = [path for step in steps if step not in always for path in re.findall(r"`([\w./]+/[\w./]+)`", step)]
    return Recipe(tuple(files), tuple(further), section.partition("Done when:")[2].strip())


def copy_of_the_checkout(root: Path) -> None:
    """Copy what a worker and the tests of one folder need."""
    for source in written():
        name = source.relative_to(ROOT).as_posix()
        if not name.startswith(LEFT_OUT):
            target = root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def follow(recipe: Recipe, name: str, edits: Mapping[str, Edit], root: Path) -> None:
    """Make a recipe's change in a copy of the checkout: in every file that it names, and in no other."""
    files = [file.replace("NAME", name) for file in recipe.files]
    assert list(edits) == files, "the throw-away change and the recipe touch other files"
    for file in files:
        path = root / file
        before = path.read_text() if path.is_file() else ""
        after = edits[file](before)
        assert after != before, f"nothing was changed in {file}"
        path.write_text(after)


def after(anchor: str, text: str) -> Edit:
    """Put a text behind an anchor that stands in the file."""

    def edit(before: str) -> str:
        assert anchor in before, f"there is no {anchor!r}"
        return before.replace(anchor, anchor + text, 1)

    return edit


def at_the_end(text: str) -> Edit:
    """Put a text at the end of the file, or into a new file."""
    return lambda before: before + text


def every(*edits: Edit) -> Edit:
    """Several changes of one file."""

    def edit(before: str) -> str:
        for each in edits:
            before = each(before)
        return before

    return edit


def python(root: Path, *arguments: str, timeout: float = 120, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the copy, on the copy's own code."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env=environment_with(PYTHONPATH=str(root), **environment),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def passed(root: Path, *arguments: str) -> None:
    """Run tests of the copy that need no fixture of ours; raise with their output unless one runs and all pass."""
    plugins = ["-p", "pytest_asyncio.plugin", "-p", "pytest_timeout", "-p", "no:cacheprovider", "--noconftest"]
    ended = python(root, "-m", "pytest", "-q", *plugins, *arguments, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert ended.returncode == 0, ended.stdout + ended.stderr
