"""What a check finds: its state, what is wrong, and what to do."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TypeAlias

from pydantic import BaseModel, ConfigDict

from activities.settings import Settings


class State(StrEnum):
    """The state of what was checked."""

    OK = "ok"
    """Nothing is wrong."""
    WARN = "warn"
    """It works now, and somebody should look at it."""
    WRONG = "wrong"
    """Runs fail or stay, or a secret is exposed, until it is mended."""
    SKIPPED = "skipped"
    """It was not checked: it is not in use, or it depends on what is wrong already."""


class Finding(BaseModel):
    """The finding of one check."""

    model_config = ConfigDict(frozen=True)

    name: str
    state: State
    what: str
    """What was found, in one line."""
    remedy: str = ""
    """What to do; empty where nothing is to be done."""

    @property
    def line(self) -> str:
        """The finding in one line."""
        return f"{self.what}: {self.remedy}" if self.remedy else self.what


Report: TypeAlias = Callable[[Finding], None]
"""Reports a finding as soon as it is known: what a check finds before a server hangs is not lost."""


@dataclass(frozen=True)
class Context:
    """What every check is given."""

    settings: Settings
    within: timedelta
    """How long a check may take."""

    @property
    def seconds(self) -> float:
        """How long one question of a check may take, a little less than the check itself."""
        return self.within.total_seconds() * 0.8


@dataclass(frozen=True)
class Check:
    """One check. It reports a finding under each of its names."""

    names: tuple[str, ...]
    """The first is the one on which the others depend."""
    look: Callable[[Context, Report], Awaitable[None]]
    slow: int = 1
    """How many times longer than others it may take: it reads large files."""


def ok(name: str, what: str) -> Finding:
    """Return a finding of something that is well."""
    return Finding(name=name, state=State.OK, what=what)


def warn(name: str, what: str, remedy: str) -> Finding:
    """Return a finding of something that somebody should look at."""
    return Finding(name=name, state=State.WARN, what=what, remedy=remedy)


def wrong(name: str, what: str, remedy: str) -> Finding:
    """Return a finding of something that has to be mended."""
    return Finding(name=name, state=State.WRONG, what=what, remedy=remedy)


def skipped(name: str, what: str) -> Finding:
    """Return a finding of something that was not checked."""
    return Finding(name=name, state=State.SKIPPED, what=what)
