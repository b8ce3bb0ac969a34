"""The examples of `perdure/testing/README.md` work, and so do its fixtures in a project of an author."""

import asyncio
import importlib.util
import re
import subprocess
from pathlib import Path

import pytest

from activities.settings import ROOT
from perdure.cli import app
from perdure.cli.exits import Exit
from perdure.testing import fixtures

README = (ROOT / "perdure" / "testing" / "README.md").read_text()

pytestmark = pytest.mark.chaos

CARETAKER = """\
kind = "agent"
system = "You look after the boat house."
[tools.create_ticket]
[tools.calculator]
"""

OWN_STUB = """\
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


async def test_a_project_that_perdure_new_made_passes_its_own_tests(tmp_path: Path) -> None:
    project = tmp_path / "club"
    assert app.main(["new", str(project)]) == Exit.DONE
    (project / "tests" / "test_stub.py").write_text(OWN_STUB)
    tests = await asyncio.create_subprocess_exec(
        *("make", "test"), cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output, _ = await tests.communicate()
    assert "4 passed" in output.decode(), output.decode()


def test_the_fixtures_of_the_readme_are_those_that_there_are() -> None:
    there = {name for name in fixtures.__all__ if name.startswith("perdure_")}
    assert set(re.findall(r"`(perdure_[a-z]+)`", README)) == there
