"""The packages of the lock: their versions, hashes and dependencies, and which of them run in production."""

import importlib.metadata
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from activities.settings import ROOT

LOCK = ROOT / "requirements.lock"

_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)\s*(?:;\s*(?P<marker>[^\\]+?))?\s*\\?$")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True)
class Pin:
    """One pinned package of the lock."""

    name: str
    version: str
    marker: str | None
    """The systems and interpreters that it is for; None for all."""
    hashes: tuple[str, ...]
    """The SHA-256 of each file of this version that the lock accepts."""

    @property
    def is_for_here(self) -> bool:
        """Whether it is for this system and interpreter."""
        return self.marker is None or Marker(self.marker).evaluate()

    @property
    def purl(self) -> str:
        """Its address as a package URL."""
        return f"pkg:pypi/{self.name}@{self.version}"


def pins(lock: Path = LOCK) -> tuple[Pin, ...]:
    """Return every pin of the lock, in its order. A package may have one for each interpreter."""
    found: list[Pin] = []
    for line in lock.read_text().splitlines():
        pin = _PIN.match(line)
        if pin is not None:
            found.append(Pin(canonicalize_name(pin["name"]), pin["version"], pin["marker"], ()))
        elif found and (digest := _HASH.search(line)):
            last = found[-1]
            found[-1] = Pin(last.name, last.version, last.marker, (*last.hashes, digest.group(1)))
    return tuple(found)


def installed(name: str) -> importlib.metadata.Distribution | None:
    """Return an installed package; None where it is not installed here."""
    try:
        return importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return None


@cache
def needs(name: str, extras: frozenset[str] = frozenset()) -> frozenset[tuple[str, frozenset[str]]]:
    """Return the packages that an installed one needs here, each with the extras that it asks for."""
    package = installed(name)
    requirements = [] if package is None else package.requires or []
    return frozenset(_wanted(map(Requirement, requirements), extras))


def _wanted(requirements: Iterable[Requirement], extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    for requirement in requirements:
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield canonicalize_name(requirement.name), frozenset(requirement.extras)


def in_production() -> frozenset[str]:
    """Return the names of all packages that workers, commands and evals run on: the group `platform`, and its needs."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    left = [*_wanted(map(Requirement, groups["platform"]), frozenset())]
    seen: set[tuple[str, frozenset[str]]] = set()
    while left:
        package = left.pop()
        if package not in seen:
            seen.add(package)
            left += needs(*package)
    return frozenset(name for name, _ in seen)
