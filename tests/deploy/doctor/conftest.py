"""Servers that hang or are gone, and the findings of checks by their names."""

import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

import pytest

from activities.settings import Paths, Settings
from deploy.doctor.examine import examine
from deploy.doctor.finding import Check, Context, Finding

Findings: TypeAlias = Callable[..., dict[str, Finding]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    state = tmp_path / "var"
    return Settings(paths=Paths(state=state, models=tmp_path / "models"))


@pytest.fixture
def findings() -> Findings:
    """Return a function that makes checks and returns what they find."""

    def find(settings: Settings, *checks: Check, within: float = 30) -> dict[str, Finding]:
        found = examine(checks, Context(settings, timedelta(seconds=within)))
        return {finding.name: finding for finding in found}

    return find


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that accepts every connection and never answers: the kernel accepts for it."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server.getsockname()[1]


@pytest.fixture
def dead() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]
