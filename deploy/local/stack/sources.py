"""Notices changes of the files that an author edits: tools, specs, schemas, the catalogue, and files of settings."""

import hashlib
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from activities import settings as tree
from activities.settings import Settings

EVERY = 0.5
"""The seconds between two looks at the files."""

QUIET = 0.7
"""The seconds without a change after which a burst of changes is over."""

LONGEST = 5.0
"""The longest burst, in seconds: later changes are the next one."""

Contents = Mapping[Path, str]
"""The digest of each file's content."""


@dataclass(frozen=True)
class Sources:
    """The files that an author edits."""

    code: tuple[tuple[Path, str], ...]
    """What a worker reads once, at its start: folders with a pattern of their files, and single files."""
    specs: tuple[tuple[Path, str], ...]
    """What is read anew for every run."""

    @classmethod
    def of(cls, settings: Settings) -> "Sources":
        """Return the files that these settings name."""
        paths = settings.paths
        return cls(
            code=(
                *((folder, "**/*.py") for folder in paths.tool_folders),
                (paths.catalogue.parent, paths.catalogue.name),
                (tree.SECRETS, "perdure_*"),
                (tree.SECRETS, "PERDURE_*"),
            ),
            specs=tuple((folder, "**/*.toml") for folder in (*paths.agent_folders, *paths.schema_folders)),
        )


@dataclass
class Reader:
    """Reads digests of files. One whose time and size are as before is not read again."""

    known: dict[Path, tuple[int, int, str]] = field(default_factory=dict[Path, tuple[int, int, str]])

    def contents(self, patterns: tuple[tuple[Path, str], ...]) -> Contents:
        """Return the digest of every file that matches. One that cannot be read counts as absent."""
        return {path: digest for path in _files(patterns) if (digest := self._digest(path)) is not None}

    def _digest(self, path: Path) -> str | None:
        try:
            status = path.stat()
            known = self.known.get(path)
            if known is None or known[:2] != (status.st_mtime_ns, status.st_size):
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                known = self.known[path] = (status.st_mtime_ns, status.st_size, digest)
        except OSError:  # it went between two calls, or its permissions forbid it
            return None
        return known[2]


def _files(patterns: tuple[tuple[Path, str], ...]) -> list[Path]:
    """Return the files; those of editors, which begin with a dot, are left out, and so is what cannot be listed."""
    files: list[Path] = []
    for folder, pattern in patterns:
        with suppress(OSError):
            files += [path for path in folder.glob(pattern) if path.is_file() and not _is_hidden(path, folder)]
    return files


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def changed(before: Contents, after: Contents) -> set[Path]:
    """Return the files that were changed, added or removed."""
    return {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}


@dataclass(frozen=True)
class Burst:
    """The changes since a burst of them began."""

    files: frozenset[Path] = frozenset()
    began: float = 0.0
    last: float = 0.0

    def with_changes(self, files: set[Path], now: float) -> "Burst":
        """Return the burst with the changes that were seen now."""
        if not files:
            return self
        return Burst(self.files | files, self.began if self.files else now, now)

    def is_over(self, now: float) -> bool:
        """Return whether there are changes, and no more of them for a while."""
        return bool(self.files) and (now - self.last >= QUIET or now - self.began >= LONGEST)


def next_burst(
    read: Callable[[], Contents], before: Contents
) -> Generator[None, None, tuple[frozenset[Path], Contents]]:
    """Wait until files changed and a burst is over; return the files, and all contents after it."""
    burst, contents, due = Burst(), before, 0.0
    while True:
        now = time.monotonic()
        if now >= due:
            after = read()
            burst, contents, due = burst.with_changes(changed(contents, after), now), after, now + EVERY
            if burst.is_over(now):
                return burst.files, contents
        yield
