"""A backend installs the wheel alone, and with an address it can start, follow and stop runs."""

import asyncio
import json
import zipfile
from email.parser import HeaderParser
from pathlib import Path

from temporalio.testing import WorkflowEnvironment

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
    said = json.loads(await asyncio.to_thread(run, python, "-I", script, address, cwd=python.parent))
    assert said["platform"] == [], "the environment must hold the wheel alone"
    assert said["started"] == ["hr-4711", "hr-4711"]
    assert said["began"] == said["again"], "the second start must find the first run"
    assert (said["state"], said["phase"]) == ("running", "routing")
    assert "hr-4711" in said["conflict"]
    assert "choose a new one" in said["conflict"]
    history = await temporal.client.get_workflow_handle("default:hr-4711").fetch_history()
    assert any(event.HasField("workflow_execution_cancel_requested_event_attributes") for event in history.events)


def test_testing_needs_nothing_more_until_its_fixtures_are_used(python: Path) -> None:
    program = (
        "import importlib.util, perdure.testing as testing\n"
        "print(importlib.util.find_spec('pytest'), testing.Script.of('r', [testing.answer('x')]).run)"
    )
    assert run(python, "-I", "-c", program, cwd=python.parent).strip() == "None r"
