"""Finds spec files by name in several folders; a name that two files have is refused, and both are named."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.spec_file import BadSpec


@dataclass(frozen=True)
class SpecFolders:
    """Folders of TOML files, which are read as if they were one."""

    folders: Sequence[Path]

    def names(self) -> list[str]:
        """Return the names of all files."""
        return sorted({path.stem for folder in self.folders for path in folder.glob("*.toml")})

    def file(self, name: str) -> tuple[Path, os.stat_result] | None:
        """Return the file of this name, with its status; None if there is none.

        Raises `BadSpec` where two folders have one, and where it cannot be read.
        """
        found: dict[str, tuple[Path, os.stat_result]] = {}
        for folder in self.folders:
            path = folder / f"{name}.toml"
            try:
                found.setdefault(os.path.realpath(path), (path, path.stat()))
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise unreadable(path, error) from None
        if len(found) > 1:
            first, second, *_ = (path for path, _ in found.values())
            raise BadSpec(
                f"two files have the name {name!r}: {first} and {second}: rename one, or leave the shipped folder out "
                "by PERDURE_PATHS__SHIPPED"
            )
        return next(iter(found.values()), None)

    def clashes(self) -> list[str]:
        """Return a line for each name that cannot be used because of where its files are."""
        lines: list[str] = []
        for name in self.names():
            try:
                self.file(name)
            except BadSpec as error:
                lines.append(str(error))
        return lines

    def __str__(self) -> str:
        """Return the folders as messages name them."""
        return ", ".join(dict.fromkeys(f"{folder.name}/" for folder in self.folders))


def label(path: Path) -> str:
    """Return a file as messages name it: with its folder, and without the place of that folder on this machine."""
    folder = path.parent
    above = f"{folder.parent.name}/" if folder.name == "schemas" else ""
    return f"{above}{folder.name}/{path.name}"


def unreadable(path: Path, error: OSError) -> BadSpec:
    """Return the error for a file that cannot be read."""
    return BadSpec(f"{label(path)} cannot be read: {error.strerror}: check the file and its permissions")
