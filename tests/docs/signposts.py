"""What a page of documentation points at: files, folders, modules, commands and settings, and which of them exist."""

import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from activities.settings import ROOT, Settings
from activities.settings.names import known_names
from tests.arch.conftest import PACKAGES
from tests.arch.files import written
from tests.deploy.cli.tree import tree

DATA = ("documents", "pdf_sources", "calibration")
"""Folders of data sets: their documents are data and point at nothing."""

PAGES = tuple(
    path
    for path in written()
    if path.suffix == ".md" and path.name != "CHANGELOG.md" and not set(DATA) & set(path.relative_to(ROOT).parts)
)
"""Every page of documentation. The changelog speaks of the past."""

FOLDERS = (*PACKAGES, "tests")

FENCED = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")

FILE = re.compile(r"(\.{0,2}/)?[\w.*-]+(/[\w.*-]+)*\.(py|md|toml|json|ya?ml|in|txt|jinja|sh|npz|png|lock)(::\w+)?")
FOLDER = re.compile(r"(\.{0,2}/)?[\w.*-]+(/[\w.*-]+)*/")
INSIDE = re.compile(rf"({'|'.join(FOLDERS)})/[\w./*-]+")
"""A path below one of our folders, whatever its name ends with."""
MODULE = re.compile(rf"({'|'.join(FOLDERS)})(\.[A-Za-z_]\w*)+")
PLACEHOLDER = re.compile(r"(?<![a-z])[A-Z][A-Z_]+(?![a-z])|\.\.\.|…")
"""`tools/NAME.py`: what the reader puts in."""
EXAMPLES = frozenset(
    {"agents/kitchen.toml", "tools/report_tide.py", "north/", "conftest.py", "tests/api", "tests/api/"}
)
"""What a reader makes who follows a page."""
MADE = ("var/", "dist/", "run/", "~/", "/")
"""Where the beginning of a path says that it is made at run time, or lies outside the checkout."""

SETTING = re.compile(r"\bPERDURE_[A-Z]+__[A-Z_]*[A-Z]\b")
MAKE = re.compile(r"(?<![\w-])make ([a-z][a-z-]*)")
PROGRAM = re.compile(
    r"python3? (?:-m )?((?:worker|evals|deploy|tests|tools|perdure|agents|activities)[\w./]*)(?: (\w[\w-]*))?"
)

COMMAND = re.compile(r"(?<![\w/'.-])(?<!from )(?:\.venv/bin/)?perdure ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?(?![\w:])")
"""A command as it is typed: `perdure evals golden`."""

GROUPS = {"deploy.local": (), "deploy.cli": (), "evals": ("evals",), "deploy.models": ("models",)}
"""Other names of groups of commands."""


def problems(page: Path, text: str) -> list[str]:
    """Every signpost of a page that leads nowhere, each in a few words."""
    prose = FENCED.sub("", text)
    every = [*FENCED.findall(text), *SPAN.findall(prose)]
    found = [*_wrong_commands(page, every), *_wrong_settings(every), *_wrong_links(page, text)]
    for folders, span in _places(page, prose):
        for word in re.split(r"[\s,;()'\"=]+", span):
            found += _wrong_path(folders, word.rstrip(":"))
            found += _wrong_module(word)
    return found


def _places(page: Path, prose: str) -> Iterator[tuple[list[Path], str]]:
    """Each code span of a page, with the folders that a path in it may begin at.

    These are the page's own and the checkout's. In a row of a table that begins with a folder, that one too.
    """
    beginnings = [page.parent, ROOT]
    rows = [line for line in prose.splitlines() if line.startswith("|")]
    rest = "\n".join(line for line in prose.splitlines() if not line.startswith("|"))
    for span in SPAN.findall(rest):
        yield beginnings, span
    for row in rows:
        rooms = [page.parent / name for name in SPAN.findall(row.split("|")[1]) if name.endswith("/")]
        for span in SPAN.findall(row):
            yield [*beginnings, *rooms], span


def _wrong_path(folders: list[Path], word: str) -> Iterator[str]:
    if PLACEHOLDER.search(word) and not re.search(r"(^|/)README\.md$", word):
        word = _before_the_placeholder(word)
    looks_like_a_path = FILE.fullmatch(word) or FOLDER.fullmatch(word) or INSIDE.fullmatch(word)
    if not looks_like_a_path or word in EXAMPLES or word.startswith(MADE) or "://" in word:
        return
    name = word.partition("::")[0]
    if not any(_exists(folder, name) for folder in folders):
        yield f"there is no {word}"


def _before_the_placeholder(word: str) -> str:
    """The folders of a path before the part that the reader puts in: `tools/` of `tools/NAME.py`."""
    parts = word.split("/")
    kept = parts[: next(number for number, part in enumerate(parts) if PLACEHOLDER.search(part))]
    return "/".join([*kept, ""]) if kept else ""


def _exists(folder: Path, name: str) -> bool:
    if "*" in name:
        return any(folder.glob(name))
    path = folder / name
    return path.is_dir() if name.endswith("/") else path.exists()


def _wrong_module(word: str) -> Iterator[str]:
    name = word.rstrip(".")
    if not MODULE.fullmatch(name) or PLACEHOLDER.search(name) or FILE.fullmatch(name):
        return
    if not _names_something(name):
        yield f"there is no {name}"


@cache
def _names_something(name: str) -> bool:
    """Whether a dotted name is a module of ours, or something that one holds."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        path = ROOT.joinpath(*parts[:length])
        if path.with_suffix(".py").is_file() or (path / "__init__.py").is_file() or path.is_dir():
            held: object = importlib.import_module(".".join(parts[:length])) if length < len(parts) else None
            for attribute in parts[length:]:
                held = getattr(held, attribute, None)
            return length == len(parts) or held is not None
    return False


def _wrong_links(page: Path, text: str) -> Iterator[str]:
    for target in LINK.findall(text):
        name = target.partition("#")[0]
        if name and "://" not in target and not (page.parent / name).exists():
            yield f"there is no {target}"


def _wrong_settings(texts: list[str]) -> Iterator[str]:
    known = {*known_names(Settings)}
    for text in texts:
        for name in SETTING.findall(text):
            if name not in known and not any(name.startswith(f"{each}__") for each in known):
                yield f"there is no setting {name}"


def _wrong_commands(page: Path, texts: list[str]) -> Iterator[str]:
    # The sample project of `perdure new` has a Makefile of its own, beside its page.
    makefile = next(file for file in (page.with_name("Makefile"), ROOT / "Makefile") if file.exists())
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile.read_text(), re.MULTILINE))
    for text in texts:
        yield from (f"there is no make {name}" for name in MAKE.findall(text) if name not in targets)
        for program, argument in PROGRAM.findall(text):
            yield from _wrong_program(program, argument)
        for command, argument in COMMAND.findall(text):
            yield from _wrong_command(command, argument)


def _wrong_program(program: str, argument: str) -> Iterator[str]:
    path = ROOT / (program if program.endswith(".py") else program.replace(".", "/"))
    main = path if path.suffix == ".py" else path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
    if not main.is_file():
        yield f"there is no program {program}"
    elif argument and program in GROUPS and not _is_command(*GROUPS[program], argument):
        yield f"there is no command {program} {argument}"


def _wrong_command(command: str, argument: str) -> Iterator[str]:
    if not _is_command(command):
        yield f"there is no command perdure {command}"
    elif argument and _is_group(command) and not _is_command(command, argument):
        yield f"there is no command perdure {command} {argument}"


@cache
def _is_command(*words: str) -> bool:
    return any(each.words == words for each in tree())


@cache
def _is_group(*words: str) -> bool:
    return any(each.words == words and each.is_group for each in tree())
