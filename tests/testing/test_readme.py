"""The examples of `perdure/testing/README.md` work, and so do its fixtures in a project outside this checkout."""

import asyncio
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from activities.settings import ROOT
from perdure.testing import fixtures

README = (ROOT / "perdure" / "testing" / "README.md").read_text()

pytestmark = pytest.mark.chaos

CARETAKER = """\
kind = "agent"
system = "You look after the boat house."
[tools.create_ticket]
[tools.calculator]
"""

CONFTEST = """\
import pathlib
import pytest

pytest_plugins = ["perdure.testing.fixtures"]

@pytest.fixture(scope="session")
def perdure_agents():
    return pathlib.Path(__file__).parent / "agents"

@pytest.fixture(scope="session")
def perdure_tools():
    return pathlib.Path(__file__).parent / "mytools"
"""

OWN_TOOL = '''\
"""A tool that the checkout does not have."""
from tools.base import ToolArguments, ToolContext, ToolEffect, tool

class Tide(ToolArguments):
    """Where to look."""

    station: str
    """The station's name."""

@tool(ToolEffect.READ_ONLY)
async def tide(context: ToolContext, asked: Tide) -> str:
    """Say how high the water stands."""
    return f"At {asked.station} it is high."
'''

OWN_TEST = """\
import asyncio
from perdure import Answered
from perdure.testing import Script, answer, calls

def test_my_agent_uses_my_tool(perdure_stack):
    async def run():
        async with await perdure_stack.platform() as platform:
            task = Script.of("mine", [calls(("tide", {"station": "north"})), answer("High.")]).task()
            return await platform.run_agent(task, agent="mine")

    result = asyncio.run(run())
    assert isinstance(result.outcome, Answered)
    assert result.spent.tool_calls == 1
    assert perdure_stack.stub.bill.spend("mine").steps == 2

def test_my_stub_has_a_bill_of_its_own(perdure_stub):
    assert perdure_stub.bill.calls() == []
"""


async def test_the_program_of_the_readme_kills_a_worker_and_finds_each_write_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [code] = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    (tmp_path / "readme.py").write_text(code)
    agents = tmp_path / "agents"
    agents.mkdir()
    (agents / "caretaker.toml").write_text(CARETAKER)
    spec = importlib.util.spec_from_file_location("readme", tmp_path / "readme.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    await module.check(ROOT, agents)
    assert re.search(r"killed at \d\d activity_task_|killed at \d\d workflow_task_", capsys.readouterr().out)


async def test_a_project_of_its_own_tests_its_agent_and_its_tool(tmp_path: Path) -> None:
    for name, text in {
        "conftest.py": CONFTEST,
        "test_mine.py": OWN_TEST,
        "pytest.ini": f"[pytest]\nperdure_checkout = {ROOT}\n",
        "agents/mine.toml": 'kind = "agent"\nsystem = "You watch the tide."\n[tools.tide]\n',
        "mytools/tide.py": OWN_TOOL,
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "perdure").symlink_to(ROOT / "perdure")  # the package alone, as its wheel installs it
    tests = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said, _ = await tests.communicate()
    assert "2 passed" in said.decode(), said.decode()


def test_the_fixtures_of_the_readme_are_those_that_there_are() -> None:
    there = {name for name in fixtures.__all__ if name.startswith("perdure_")}
    assert set(re.findall(r"`(perdure_[a-z]+)`", README)) == there
