"""The command `doctor`: one line for each finding, JSON for scripts, and an exit code for what is wrong."""

import json
import os
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from activities import settings as tree
from deploy.cli.doctor import doctor
from deploy.doctor.every import checks
from perdure.cli.exits import Ended

app = typer.Typer()
app.command()(doctor)


@pytest.fixture
def nothing_up(tmp_path: Path, dead: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of a machine on which nothing was started yet."""
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{dead}")
    monkeypatch.setenv("PERDURE_PATHS__STATE", str(tmp_path / "var"))
    monkeypatch.setenv("PERDURE_PATHS__MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("PERDURE_MODEL__ENDPOINTS", f'{{"fast": "http://127.0.0.1:{dead}/v1"}}')
    monkeypatch.setattr(tree, "load", tree.load.__wrapped__)


@pytest.mark.usefixtures("nothing_up")
def test_each_finding_is_one_line_and_what_is_wrong_ends_with_one() -> None:
    result = CliRunner().invoke(app, [])
    assert isinstance(result.exception, Ended)
    lines = result.stdout.splitlines()
    names = [name for check in checks(tree.load()) for name in check.names]
    assert len(lines) == len(names)
    assert all(name in line for name, line in zip(names, lines, strict=True))
    assert {line.split()[0] for line in lines} == {"ok", "warn", "wrong", "skipped"}
    assert result.stderr.strip().splitlines()[-1].count("wrong") == 1


@pytest.mark.usefixtures("nothing_up")
def test_scripts_get_every_finding_with_its_remedy() -> None:
    result = CliRunner().invoke(app, ["--json"])
    found = {finding["name"]: finding for finding in json.loads(result.stdout)}
    assert found["temporal"]["state"] == "wrong"
    assert found["temporal"]["remedy"].startswith("start one with `make up`")
    assert found["python"]["state"] == "ok"
