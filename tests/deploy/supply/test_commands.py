"""`sbom` and `licences` as commands: a file or standard output, columns or JSON, and 1 for what is not allowed."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from deploy.cli.supply import licences, sbom
from deploy.supply import licences as rules
from deploy.supply.packages import pins
from perdure.cli.exits import Ended

app = typer.Typer()
app.command()(sbom)
app.command()(licences)


def ran(*arguments: str) -> Any:
    return CliRunner().invoke(app, [*arguments])


def test_the_bill_goes_to_a_file_or_to_standard_output(tmp_path: Path) -> None:
    file = tmp_path / "new" / "perdure.cdx.json"
    assert ran("sbom", str(file)).stdout.startswith(f"{file}: ")
    written, printed = json.loads(file.read_text()), json.loads(ran("sbom").stdout)
    assert written["serialNumber"] == printed["serialNumber"]


def test_licences_are_columns_or_json() -> None:
    lines, listed = ran("licences").stdout.splitlines(), json.loads(ran("licences", "--json").stdout)
    assert len(lines) == len(listed["licences"]) > len(pins())
    assert listed["problems"] == []


def test_a_licence_that_is_not_allowed_ends_with_one_and_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "ALLOWED", rules.ALLOWED - {"MPL-2.0"})
    result = ran("licences")
    assert isinstance(result.exception, Ended)
    assert "certifi" in result.stderr
    assert "MPL-2.0 may not be shipped" in result.stderr
