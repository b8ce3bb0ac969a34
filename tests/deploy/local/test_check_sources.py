"""Mistakes in an author's files are found in a fresh process, each in one line, before a worker meets them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import tools
from activities.settings import PROFILES, ROOT, Paths, Settings, environment_with
from deploy.local.stack.check_sources import check

TOOL = """\
from tools.base import ToolArguments, ToolContext, ToolEffect, tool


class Trip(ToolArguments):
    kilometres: float


@tool(ToolEffect.READ_ONLY)
async def mileage(context: ToolContext, trip: Trip) -> str:
    \"\"\"Work out the refund for a trip.\"\"\"
    return "1"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of tools beside the shipped one."""
    monkeypatch.setattr(tools, "__path__", [*tools.__path__, str(tmp_path)])
    return tmp_path


@pytest.fixture
def agents(tmp_path: Path) -> Path:
    """A folder of specs, with one of schemas in it."""
    folder = tmp_path / "agents"
    (folder / "schemas").mkdir(parents=True)
    return folder


@pytest.fixture
def settings(agents: Path) -> Settings:
    return Settings(paths=Paths(agents=(agents,)))


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("import nosuch_module", "line 2: ModuleNotFoundError: No module named 'nosuch_module'"),
        ("x = = 1", "line 2: invalid syntax"),
        ("  x = 1", "line 2: unexpected indent"),
        ("raise RuntimeError('two\\nlines')", "line 2: RuntimeError: two lines"),
        ("def f(): return nowhere\nf()", "line 2: NameError: name 'nowhere' is not defined"),
        ("raise KeyError", "line 2: KeyError: no message"),
    ],
)
def test_a_tool_that_cannot_be_imported_is_one_line_with_its_file_and_line(
    folder: Path, settings: Settings, lines: str, says: str
) -> None:
    name = f"broken_{abs(hash(lines))}"  # a module is imported once
    (folder / f"{name}.py").write_text(f"# A tool.\n{lines}\n")
    assert check(settings) == {"fatal": [f"{folder / f'{name}.py'}, {says}"], "specs": []}


def test_an_agent_may_name_a_new_tool_and_not_one_that_nobody_has_written(
    folder: Path, agents: Path, settings: Settings
) -> None:
    (folder / "mileage_of_test.py").write_text(TOOL)
    agent = 'kind = "agent"\nsystem = "You work out refunds."\n\n[tools.{}]\n'
    (agents / "clerk.toml").write_text(agent.format("mileage"))
    (agents / "lost.toml").write_text(agent.format("milage"))
    found = check(settings)
    assert found["fatal"] == []
    [line] = found["specs"]
    assert "agents/lost.toml" in line
    assert "milage" in line


def test_every_kind_of_spec_is_checked_and_one_mistake_hides_no_other(agents: Path, settings: Settings) -> None:
    (agents / "one.toml").write_text("tier = 3")
    (agents / "two.toml").write_text("no toml at all")
    (agents / "three.toml").write_text('kind = "robot"')
    (agents / "four.toml").write_text('kind = "agent"')
    (agents / "schemas" / "five.toml").write_text("fields = []")
    (agents / "fine.toml").write_text((ROOT / "agents" / "handbook.toml").read_text())
    lines = check(settings)["specs"]
    for name in ("one", "two", "three", "four", "five"):
        assert [name for line in lines if f"{name}.toml" in line], name
    assert not [line for line in lines if "fine" in line]


def test_a_catalogue_that_cannot_be_used_keeps_a_worker_from_starting(tmp_path: Path) -> None:
    broken = tmp_path / "catalogue.toml"
    broken.write_text("[tiers]\nfast = []\n")
    [line] = check(Settings(paths=Paths(catalogue=broken)))["fatal"]
    assert "the model catalogue catalogue.toml" in line


def test_the_shipped_files_have_no_mistake_and_their_check_prints_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.local.stack.check_sources"],
        cwd=ROOT,
        env=environment_with(PERDURE_PATHS__CATALOGUE=str(PROFILES / "local.toml")),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert json.loads(done.stdout) == {"fatal": [], "specs": []}
