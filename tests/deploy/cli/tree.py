"""Every command and every group of the command line of a checkout, and how to run one in this process."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import typer

from deploy.cli.app import app, main


@dataclass(frozen=True)
class Typed:
    """A command or a group, by the words that are typed for it."""

    words: tuple[str, ...]
    command: Any
    """The parser's own command."""

    def __str__(self) -> str:
        return " ".join(self.words) or "perdure"

    @property
    def is_group(self) -> bool:
        return hasattr(self.command, "commands")

    @property
    def options(self) -> list[str]:
        """The names of its options, `--help` left out."""
        return [name for each in self.command.params if each.param_type_name == "option" for name in each.opts]

    @property
    def required(self) -> list[Any]:
        """Its arguments that have to be typed."""
        return [each for each in self.command.params if each.param_type_name == "argument" and each.required]

    def typed(self) -> list[str]:
        """The words, and a value for each argument that has to be typed."""
        return [*self.words, *("x" for _ in self.required)]


def tree() -> list[Typed]:
    """Every command and group, the whole command line first."""
    return list(_below((), typer.main.get_command(app)))


def _below(words: tuple[str, ...], command: Any) -> Iterator[Typed]:
    yield Typed(words, command)
    for name, each in getattr(command, "commands", {}).items():
        yield from _below((*words, name), each)


@dataclass(frozen=True)
class Ran:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


def ran(capsys: pytest.CaptureFixture[str], *arguments: str) -> Ran:
    capsys.readouterr()
    code = main(list(arguments))
    printed = capsys.readouterr()
    return Ran(code, printed.out, printed.err)
