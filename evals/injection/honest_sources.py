"""Finds the installed packages and their files: where honest texts are collected from, with no network."""

import platform
import random
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from hashlib import sha256
from importlib import metadata
from pathlib import Path

PAGES = (".md", ".rst", ".txt", "METADATA")
MODULES = (".py",)
PROGRAMS = (".py", ".pyx", ".pyi", ".js", ".ts", ".c", ".h", ".hpp", ".rs", ".proto", ".sh")
RECORDS = (".csv", ".tab", ".tsv", ".json", "RECORD")
LARGEST = 2_000_000
"""The largest file that is read, in bytes."""
ALWAYS_SKIPPED = ("license", "licence", "copying", "notice", "vendor", "generated")
"""Words of paths that are skipped: files that many packages share, so that one text would count many times."""


class Half(StrEnum):
    """One of the two halves of the sources. No source is in both."""

    CALIBRATION = "calibration"
    """The threshold is set on it."""
    HELD_OUT = "held_out"
    """The threshold is measured on it."""


@dataclass(frozen=True)
class Source:
    """An installed package, or a module of the standard library, with its files."""

    name: str
    version: str
    files: tuple[Path, ...]

    @property
    def label(self) -> str:
        """The name and the version: `rich 14.3.4`."""
        return f"{self.name} {self.version}"

    @property
    def half(self) -> Half:
        """The half that the source belongs to: chosen by its name alone, so that an upgrade does not move it."""
        return list(Half)[sha256(self.name.encode()).digest()[0] % 2]

    def shuffled(self, ends: tuple[str, ...], chance: random.Random) -> list[Path]:
        """Return the files whose names end so, in an order that the seed decides."""
        files = [file for file in self.files if file.name.endswith(ends)]
        chance.shuffle(files)
        return files


@cache
def sources() -> tuple[Source, ...]:
    """Return what is installed, by name: the packages and the modules of the standard library."""
    return tuple(sorted([*_packages(), *_standard_library()], key=lambda source: source.name))


def read(file: Path) -> str:
    """Return a file's text; empty where it is too large, gone or not UTF-8."""
    try:
        return file.read_text() if file.stat().st_size <= LARGEST else ""
    except (OSError, UnicodeDecodeError):
        return ""


def _packages() -> Iterator[Source]:
    named = {one.metadata["Name"].lower().replace("-", "_"): one for one in metadata.distributions()}
    for name, package in named.items():
        record = package.read_text("RECORD") or ""
        files = [line.split(",")[0] for line in record.splitlines()]
        kept = sorted(file for file in files if file.endswith((*PAGES, *PROGRAMS, *RECORDS)) and not _skipped(file))
        yield Source(name, package.version, tuple(Path(str(package.locate_file(file))) for file in kept))


def _standard_library() -> Iterator[Source]:
    folder = Path(sysconfig.get_path("stdlib"))
    for place in sorted(folder.iterdir()):
        if place.name in ("site-packages", "__pycache__", "test") or place.name.startswith("config-"):
            continue
        found = sorted(place.rglob("*")) if place.is_dir() else [place]
        kept = tuple(file for file in found if file.name.endswith((*PAGES, *PROGRAMS)) and not _skipped(file.name))
        if kept:
            yield Source(f"python/{place.stem}", platform.python_version(), kept)


def _skipped(file: str) -> bool:
    return file.startswith("..") or any(word in file.lower() for word in ALWAYS_SKIPPED)
