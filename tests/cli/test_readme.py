"""The scripts of `perdure/cli/README.md` do what that page says, with the real `temporal` beside `perdure`."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest
from temporalio.client import Client

from activities.settings import ROOT, Settings, environment_with
from deploy.local.stack.desk import DeskServer
from perdure.cli.app import app
from perdure.cli.exits import Exit
from perdure.client import Platform
from tests.support.runs.agent_runs import MESSAGE, answer, calls, write_agent
from tests.support.servers.stub_model import StubModel
from tests.support.servers.temporal import TEMPORAL

README = (ROOT / "perdure" / "cli" / "README.md").read_text()
SCRIPTS: list[str] = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.usefixtures("working")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    [agents] = settings.paths.agents
    write_agent(agents, "operations", ["send_message"])
    return settings


async def script_output(script: str, client: Client, folder: Path) -> str:
    """Run a script with both commands on the path, and return its output."""
    perdure = folder / "perdure"
    perdure.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m perdure.cli "$@"\n')
    perdure.chmod(0o755)
    address = client.service_client.config.target_host
    beside = environment_with(TEMPORAL_ADDRESS=address, PYTHONPATH=str(ROOT))
    shell = await asyncio.create_subprocess_exec(
        *("bash", "-euc", script),
        env={**beside, "PATH": f"{folder}:{TEMPORAL.parent}:{beside['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(shell.communicate(), 120)
    assert shell.returncode == 0, output.decode()
    return output.decode()


async def test_a_run_of_the_command_line_is_approved_by_a_signal_and_finishes(
    client: Client, stub: StubModel, desk: DeskServer, tmp_path: Path
) -> None:
    stub.script = [calls(MESSAGE), answer("They know.")]
    [script] = [script for script in SCRIPTS if "temporal workflow signal" in script]
    output = await script_output(script, client, tmp_path)
    assert "They know." in output
    assert "ada, by signal" in output
    assert list(desk.desk.received()["messages"].values()) == [1]


async def test_the_schedule_of_the_readme_fires(client: Client, platform: Platform, tmp_path: Path) -> None:
    [script] = [script for script in SCRIPTS if "schedule create" in script]
    assert "morning fires" in await script_output(script, client, tmp_path)
    status = await platform.schedules.status("morning")
    assert status.next_times[0].astimezone().minute == 0
    await platform.schedules.delete("morning")


def test_every_script_is_run_by_one_of_these_tests() -> None:
    assert len(SCRIPTS) == 2


def test_the_page_names_every_command_and_every_exit_code() -> None:
    commands = {command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands}
    groups = {str(group.name) for group in app.registered_groups}
    named = set(re.findall(r"[a-z]+", " ".join(re.findall(r"^\| (`.+?) \|", README, re.MULTILINE))))
    assert commands | groups <= named
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)}
    assert codes == set(Exit)
    exit_codes = re.findall(r"(\d+) [a-z]", str(app.info.epilog))
    assert {int(code) for code in exit_codes} == set(Exit)
