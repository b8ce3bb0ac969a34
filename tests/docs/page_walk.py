"""A page's blocks as steps in the order in which they are read: files to write, and commands with what they print."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

BLOCKS = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

FILE = re.compile(r"# ([\w./-]+\.(?:py|toml))")
"""The first line of a block that is a file: its path."""

ANYTHING = "..."
"""Stands for any text in what a page says a command prints."""


@dataclass(frozen=True)
class File:
    """A file that the reader writes."""

    path: str
    text: str


@dataclass(frozen=True)
class Command:
    """A command that the reader types, and the lines that the page says it prints."""

    line: str
    printed: tuple[str, ...]

    def missing(self, output: str) -> str | None:
        """Return the first line of the page that the output does not have, in the page's order; None if it has all.

        White space counts as one blank, since tables and frames follow the width of a terminal.
        """
        rest = " ".join(output.split())
        for line in self.printed:
            pattern = ".*?".join(re.escape(" ".join(piece.split())) for piece in line.split(ANYTHING))
            found = re.search(pattern, rest)
            if found is None:
                return line
            rest = rest[found.end() :]
        return None


def walk(page: str) -> Iterator[File | Command]:
    """Yield the steps of a page. Raises `ValueError` for a block that is neither a file nor commands."""
    for kind, text in BLOCKS.findall(page):
        first, _, rest = text.partition("\n")
        if kind == "console":
            yield from _commands(text)
        elif name := FILE.fullmatch(first):
            yield File(name[1], rest)
        else:
            raise ValueError(f"this {kind} block begins with no path, `# folder/name.py`: {first!r}")


def _commands(text: str) -> Iterator[Command]:
    line: str | None = None
    printed: list[str] = []
    for row in text.splitlines():
        if row.startswith("$ "):
            if line is not None:
                yield Command(line, tuple(printed))
            line, printed = re.split(r"\s{2,}# ", row[2:])[0], []
        elif row.strip() != ANYTHING:
            printed.append(row)
    if line is not None:
        yield Command(line, tuple(printed))
