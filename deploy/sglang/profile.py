"""Reads launch profiles: a server's flags for one kind of machine or load, each with its reason and what to watch."""

import shlex
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from deploy.processes.errors import DeployError
from perdure.contracts.contract import explain

FOLDER = Path(__file__).resolve().parent / "profiles"
"""The folder of the profiles."""

PROGRAMS = {"sglang": ("python", "-m", "sglang.launch_server"), "smg": ("smg", "launch")}
"""The command that starts each program, in its own environment."""

Sentence = Annotated[str, StringConstraints(min_length=10, strip_whitespace=True)]


class Table(BaseModel):
    """The base of every table in a profile: unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Flag(Table):
    """One flag of the command line."""

    flag: Annotated[str, StringConstraints(pattern=r"^--[a-z0-9][a-z0-9-]*$")]
    value: str | int | float | tuple[str, ...] | None = None
    """None for a switch."""
    why: Sentence
    watch: Sentence
    """The evidence that the flag is right: a metric of the server, a line of its log, or a figure of ours."""

    @property
    def words(self) -> list[str]:
        """The flag and its values as words of a command line."""
        values = self.value if isinstance(self.value, tuple) else () if self.value is None else (self.value,)
        return [self.flag, *map(str, values)]


class _File(Table):
    """The file `profiles/NAME.toml`."""

    about: Sentence
    """The machine and load that it is for."""
    program: Literal["sglang", "smg"] = "sglang"
    extends: str | None = None
    """The profile whose flags come first; a flag of this file replaces the flag of the same name there."""
    without: tuple[str, ...] = ()
    """The flags of that profile that this one leaves out."""
    flags: tuple[Flag, ...] = Field(min_length=1)


class Profile(Table):
    """A profile, including the flags of the profile that it extends."""

    name: str
    about: str
    program: Literal["sglang", "smg"]
    flags: tuple[Flag, ...]

    @property
    def arguments(self) -> list[str]:
        """The arguments of its program."""
        return [word for flag in self.flags for word in flag.words]

    @property
    def line(self) -> str:
        """The command, one flag on each line, to be copied to a shell."""
        words = [shlex.join(PROGRAMS[self.program]), *(shlex.join(flag.words) for flag in self.flags)]
        return " \\\n  ".join(words)


def names() -> Sequence[str]:
    """Return the names of all profiles."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def read(name: str) -> Profile:
    """Read a profile by its name. Raises `DeployError` with the file, the key and the reason."""
    return _read(name, ())


def _read(name: str, above: tuple[str, ...]) -> Profile:
    if name not in names():
        raise DeployError(f"there is no profile {name!r}: deploy/sglang/profiles has {', '.join(names())}")
    if name in above:
        raise DeployError(f"profiles/{name}.toml extends itself: {' -> '.join((*above, name))}")
    try:
        file = _File.model_validate(tomllib.loads((FOLDER / f"{name}.toml").read_text()))
    except tomllib.TOMLDecodeError as error:
        raise DeployError(f"profiles/{name}.toml cannot be read: {error}") from None
    except ValidationError as error:
        raise DeployError(f"profiles/{name}.toml: {explain(error)}") from None
    flags: dict[str, Flag] = {}
    if file.extends is not None:
        flags = {flag.flag: flag for flag in _read(file.extends, (*above, name)).flags}
    for flag in file.without:
        if flags.pop(flag, None) is None:
            raise DeployError(f"profiles/{name}.toml: `without` names {flag}, which {file.extends!r} does not have")
    own = [flag.flag for flag in file.flags]
    if len(set(own)) < len(own):
        raise DeployError(f"profiles/{name}.toml gives a flag twice: {', '.join(own)}")
    flags |= {flag.flag: flag for flag in file.flags}
    return Profile(name=name, about=file.about, program=file.program, flags=tuple(flags.values()))
