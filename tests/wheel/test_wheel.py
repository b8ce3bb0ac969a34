"""A backend installs the wheel alone, and with an address it can start, follow and stop runs."""

import asyncio
import json
import subprocess
import zipfile
from email.parser import HeaderParser
from pathlib import Path

from temporalio.testing import WorkflowEnvironment

from activities.settings import ROOT
from tests.support.waiting import until
from tests.wheel.conftest import run


def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_the_wheel_holds_perdure_and_nothing_else(wheel: Path) -> None:
    top_level = {name.split("/")[0] for name in names(wheel)}
    metadata = "-".join(wheel.name.split("-")[:2]) + ".dist-info"
    assert top_level == {"perdure", metadata}


def test_the_wheel_says_that_it_is_typed(wheel: Path) -> None:
    assert "perdure/py.typed" in names(wheel)


def test_the_wheel_asks_for_temporal_and_pydantic_only(wheel: Path) -> None:
    (path,) = [name for name in names(wheel) if name.endswith(".dist-info/METADATA")]
    with zipfile.ZipFile(wheel) as archive:
        metadata = HeaderParser().parsestr(archive.read(path).decode())
    asked = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert sorted(line.split("<")[0].split(">")[0] for line in asked) == ["pydantic", "temporalio"]


async def test_a_backend_starts_follows_and_stops_a_run(python: Path, temporal: WorkflowEnvironment) -> None:
    address = temporal.client.service_client.config.target_host
    script = Path(__file__).with_name("backend.py")
    report = json.loads(await asyncio.to_thread(run, python, "-I", script, address, cwd=python.parent))
    assert report["platform"] == [], "the environment must hold the wheel alone"
    assert report["started"] == ["hr-4711", "hr-4711"]
    assert report["began"] == report["again"], "the second start must find the first run"
    assert (report["state"], report["phase"]) == ("running", "routing")
    assert "hr-4711" in report["conflict"]
    assert "choose a new one" in report["conflict"]
    history = await temporal.client.get_workflow_handle("default:hr-4711").fetch_history()
    assert any(event.HasField("workflow_execution_cancel_requested_event_attributes") for event in history.events)


def test_testing_needs_nothing_more_until_its_fixtures_are_used(python: Path) -> None:
    program = (
        "import importlib.util, perdure.testing as testing\n"
        "print(importlib.util.find_spec('pytest'), testing.Script.of('r', [testing.answer('x')]).run)"
    )
    assert run(python, "-I", "-c", program, cwd=python.parent).strip() == "None r"


def test_without_its_extra_the_command_says_in_one_line_what_it_needs(python: Path) -> None:
    ended = subprocess.run(
        [python.with_name("perdure"), "list"], cwd=python.parent, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "perdure: the command line needs typer: install it with pip install 'perdure[cli]'\n"


def test_with_its_extra_the_command_makes_a_project_that_says_which_checkout_is_missing(
    perdure: Path, tmp_path: Path
) -> None:
    run(perdure, "new", "club", cwd=tmp_path)
    template = ROOT / "perdure" / "cli" / "project"
    for file in ("Makefile", "agents/boatman.toml", "tools/reserve_boat.py", "tests/test_club.py", "README.md"):
        assert (tmp_path / "club" / file).read_bytes() == (template / file).read_bytes()
    made = json.loads(run(perdure, "new", "other", "--json", cwd=tmp_path))
    assert made["checkout"] is None
    assert ".gitignore" in made["files"]


async def test_with_its_extra_the_command_starts_a_run_and_lists_it(
    perdure: Path, temporal: WorkflowEnvironment
) -> None:
    address = temporal.client.service_client.config.target_host
    ask = ("ask", "How many days of leave do I get?", "--id", "hr-4712", "--tenant", "terminal", "--detach")
    assert await asyncio.to_thread(run, perdure, "--address", address, *ask, cwd=perdure.parent) == "hr-4712\n"
    wrong = await asyncio.create_subprocess_exec(perdure, "nope", stderr=subprocess.PIPE)
    _, said = await wrong.communicate()
    assert (wrong.returncode, said.decode()) == (2, "perdure: No such command 'nope': see perdure --help\n")
    listing = ("list", "--tenant", "terminal", "--json")

    async def listed() -> bool:
        found = json.loads(await asyncio.to_thread(run, perdure, "--address", address, *listing, cwd=perdure.parent))
        return [each["business_id"] for each in found] == ["hr-4712"]

    await until(listed, what="the run is listed")
