"""What the commands of the platform print: JSON for programs, and tables that fit a terminal of any width."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from activities.settings import ROOT, environment_with, load
from tests.deploy.cli.tree import ran


@pytest.fixture(autouse=True)
def own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setenv("PERDURE_PATHS__STATE", str(tmp_path / "var"))
    monkeypatch.setenv("PERDURE_PATHS__CATALOGUE", "cloud")
    load.cache_clear()
    yield
    load.cache_clear()


LISTINGS = (
    (["tools"], {"tool", "effect", "description", "schema"}),
    (["effects"], {"effect", "runs_as", "queue", "timeouts", "retries", "paid", "world"}),
    (["models"], {"deployment", "tiers", "endpoint", "health", "load"}),
    (["models", "status"], {"deployment", "tiers", "endpoint", "health", "load"}),
)

VALUES = (
    (["migrate"], {"before", "after"}),
    (["budget"], {"tenant", "day", "limited", "counts", "reservations"}),
    (["tool", "calculator", '{"expression": "2 + 2"}'], {"tool", "result"}),
)


def _typed(value: list[str] | set[str]) -> str:
    """Return a test's name: what is typed. Every process of a run has to give a set the same name."""
    return " ".join(sorted(value) if isinstance(value, set) else value)[:24]


@pytest.mark.parametrize(("arguments", "fields"), LISTINGS, ids=_typed)
def test_a_listing_prints_one_json_value_with_a_row_for_each(
    arguments: list[str], fields: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    printed = ran(capsys, *arguments, "--json")
    rows = json.loads(printed.out)
    assert rows
    assert all(set(row) == fields for row in rows)
    assert printed.err == ""


@pytest.mark.parametrize(("arguments", "fields"), VALUES, ids=_typed)
def test_a_result_is_one_json_value(arguments: list[str], fields: set[str], capsys: pytest.CaptureFixture[str]) -> None:
    printed = ran(capsys, *arguments, "--json")
    assert set(json.loads(printed.out)) == fields
    assert (printed.code, printed.err) == (0, "")


def in_a_terminal(width: int, *arguments: str) -> list[str]:
    """Run a command in a terminal of this width, and return the lines that it shows."""
    master, slave = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "deploy.cli", *arguments],
        cwd=ROOT,
        env=environment_with(COLUMNS=str(width), TERM="xterm"),
        stdin=subprocess.DEVNULL,
        stdout=slave,
        stderr=subprocess.DEVNULL,
    ):
        os.close(slave)
        shown = b""
        while True:
            try:
                read = os.read(master, 65536)
            except OSError:  # the terminal was closed at its other end
                break
            if not read:
                break
            shown += read
    os.close(master)
    return re.sub(r"\x1b\[[\d;]*m", "", shown.decode()).splitlines()


@pytest.mark.parametrize("width", [60, 80])
@pytest.mark.parametrize("command", ["models", "effects", "tools"])
def test_a_table_fits_the_terminal_and_breaks_no_name(
    command: str, width: int, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = json.loads(ran(capsys, command, "--json").out)
    lines = in_a_terminal(width, command)
    assert max(map(len, lines)) <= width
    shown = " ".join(lines).split()
    for row in rows:
        assert next(iter(row.values())) in shown
