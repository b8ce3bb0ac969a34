"""The command for worker versions, with worker processes and Temporal's command line tool, as an operator runs them."""

import asyncio
import os
import re
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator, Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client

from activities.composition import WorkerRole
from activities.settings import ROOT, Embedded, Model, Paths, Settings, Work
from deploy.local.stack.stack import Stack
from deploy.processes.ports import free_ports
from perdure.client import Platform
from tests.support.runs.agent_runs import MESSAGE, calls, waits, with_agents, write_agent
from tests.support.runs.versions import DEPLOYMENT, address_of, own_server, serving, use
from tests.support.servers.stub_model import StubModel
from tests.support.servers.temporal import TEMPORAL
from tests.support.waiting import until

README = (ROOT / "deploy" / "versions" / "README.md").read_text()


@pytest_asyncio.fixture(loop_scope="session")
async def client(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    """Start a server, and name it and a deployment in the environment."""
    async with own_server() as client:
        monkeypatch.setenv("TEMPORAL_ADDRESS", address_of(client))
        monkeypatch.setenv("PERDURE_WORK__DEPLOYMENT", DEPLOYMENT)
        yield client


def run_program(*words: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200", **(environment or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


async def run_beside_workers(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command while workers of this process keep running."""
    return await asyncio.to_thread(command, *arguments)


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run_program(sys.executable, "-m", "deploy.cli", "versions", *arguments)


@contextmanager
def worker(environment: Mapping[str, str], *arguments: str) -> Generator[list[str]]:
    """Start a worker process, and yield its lines until it was ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.cli", "worker", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        lines: list[str] = []
        while not lines or not lines[-1].startswith("ready: "):
            line = process.stdout.readline()
            assert line, f"the worker ended with {process.wait()}"
            lines.append(line.strip())
        yield lines
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.mark.usefixtures("client")
def test_the_commands_of_the_readme_bring_in_a_second_version(tmp_path: Path) -> None:
    block = re.findall(r"^```\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)[0]
    environment = {"PERDURE_PATHS__STATE": str(tmp_path)}
    outputs: list[list[str]] = []
    with ExitStack() as running:
        for line in block.splitlines():
            command = shlex.split(line, comments=True)
            if command[0] == "export":
                command = command[1:]
            while command and "=" in command[0]:
                name, _, value = command.pop(0).partition("=")
                environment[name] = value
            if command == [".venv/bin/perdure", "worker"]:
                outputs.append(running.enter_context(worker(environment)))
            elif command:
                assert command[0] == ".venv/bin/perdure"
                result = run_program(sys.executable, "-m", "deploy.cli", *command[1:], environment=environment)
                assert (result.returncode, result.stderr) == (0, "")
                outputs.append(result.stdout.splitlines())
        first_worker, first_use, second_worker, second_use, listing = outputs
        assert first_worker[0] == (
            "version: perdure has no current version: new runs wait until `perdure versions use v1` has made v1 it"
        )
        assert first_use == ["new runs begin on v1"]
        assert second_worker[0] == "version: new runs begin on v1, not on v2: `perdure versions use v2` changes that"
        assert second_use == ["new runs begin on v2"]
        rows = [row.split("\t")[:3] for row in listing if re.match(r"v\d\t", row)]
        assert [row[0] for row in rows] == ["v1", "v2"]
        assert rows[0][1] in ("draining", "drained")
        assert rows[1][1:] == ["current", "0"]
        with worker({**environment, "PERDURE_WORK__BUILD": "v2"}, "--role", "workflows") as restarted:
            assert len(restarted) == 1, "its only line says that it is ready: new runs come to it"


async def test_the_other_lines_of_the_readme_are_taken_by_the_command_line_tool(
    client: Client, settings: Settings
) -> None:
    lines = re.findall(r"^temporal (.*)$", README, re.MULTILINE)
    assert len(lines) == 5
    async with serving(client, settings, "v2", [WorkerRole.WORKFLOWS]):
        await use(client, "v2")
        for line in lines:
            # `update-options` needs a run: tests/worker/test_versions.py moves one with it.
            if not line.startswith("workflow update-options"):
                result = await asyncio.to_thread(run_program, str(TEMPORAL), *shlex.split(line))
                assert (result.returncode, result.stderr) == (0, ""), line
    status = await run_beside_workers()
    assert status.returncode == 1
    assert "no version is current, so new runs wait: `perdure versions use v2`" in status.stderr


async def test_runs_that_are_left_are_counted_when_another_version_is_used(
    client: Client, settings: Settings, stub: StubModel, tmp_path: Path
) -> None:
    write_agent(tmp_path)
    settings = with_agents(settings, tmp_path)
    stub.script = [calls(MESSAGE)]
    platform = Platform(client)
    async with serving(client, settings, "v1"):
        await use(client, "v1")
        run = await platform.start_agent("Tell them.", agent="tester")
        await waits(platform, run)
        async with serving(client, settings, "v2", [WorkerRole.WORKFLOWS]):
            # The server indexes runs a moment after they were moved.
            result = await run_beside_workers("use", "v2")
            assert result.stderr == ""
            assert result.stdout.splitlines() == [
                "new runs begin on v2",
                "1 running on v1: keep its workers until `perdure versions` shows 0",
            ]
            assert (await run_beside_workers()).returncode == 0
        await platform.cancel(run)
        await platform.result(run)


async def test_a_version_without_a_queue_that_is_in_use_is_refused(client: Client, settings: Settings) -> None:
    platform = Platform(client)
    async with serving(client, settings, "v1"):
        await use(client, "v1")
        await platform.ask("How long is parental leave?")
        async with serving(client, settings, "v2", [WorkerRole.WORKFLOWS]):
            result = await run_beside_workers("use", "v2")
    assert result.returncode == 1
    assert "'perdure:v2' is missing active task queues from the current version" in result.stderr
    assert result.stderr.endswith(": start workers of v2 in every role that the current version has\n")


async def test_runs_whose_version_has_no_worker_left_are_shown_with_the_remedy(
    settings: Settings, stub: StubModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_agent(tmp_path)
    stub.script = [calls(MESSAGE)]
    forgetful = ("--dynamic-config-value", 'matching.PollerHistoryTTL="1s"')
    async with own_server(*forgetful) as client:
        monkeypatch.setenv("TEMPORAL_ADDRESS", address_of(client))
        monkeypatch.setenv("PERDURE_WORK__DEPLOYMENT", DEPLOYMENT)
        platform = Platform(client)
        async with serving(client, with_agents(settings, tmp_path), "v1"):
            await use(client, "v1")
            run = await platform.start_agent("Tell them.", agent="tester")
            await waits(platform, run)

        async def shown_without_worker() -> bool:
            result = await run_beside_workers()
            return result.returncode == 1 and result.stderr == (
                "1 running on v1, which has had no worker for five minutes: start one again, or move them as "
                "deploy/versions/README.md says\n"
            )

        await until(shown_without_worker, what="the run on v1 is shown to have no worker")


async def test_a_version_that_nobody_serves_is_refused_with_those_there_are(client: Client, settings: Settings) -> None:
    async with serving(client, settings, "v1", [WorkerRole.WORKFLOWS]):
        await use(client, "v1")
        result = await run_beside_workers("use", "v9")
    assert result.returncode == 1
    assert result.stderr == (
        "perdure: perdure has no version 'v9': its workers have shown v1; start one with "
        "PERDURE_WORK__DEPLOYMENT=perdure PERDURE_WORK__BUILD=v9 first\n"
    )


@pytest.mark.usefixtures("client")
def test_before_the_first_worker_it_says_how_to_start_one() -> None:
    result = command()
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        "perdure: no worker of 'perdure' was ever seen: start one with PERDURE_WORK__DEPLOYMENT=perdure\n"
    )


def test_without_a_deployment_it_says_which_setting_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PERDURE_WORK__DEPLOYMENT", raising=False)
    result = command("use", "v1")
    assert result.returncode == 1
    assert result.stderr == (
        "perdure: workers have no versions: set PERDURE_WORK__DEPLOYMENT, here and for them, to perdure\n"
    )


def test_no_server_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    [port] = free_ports(1)
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{port}")
    monkeypatch.setenv("PERDURE_WORK__DEPLOYMENT", DEPLOYMENT)
    result = command()
    assert result.returncode == 1
    assert result.stderr == (
        f"perdure: no Temporal server answers at 127.0.0.1:{port}: start one with `make up`, or set TEMPORAL_ADDRESS\n"
    )


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        (
            {"PERDURE_WORK__BUILD": "v1"},
            "is a version of a deployment: set PERDURE_WORK__DEPLOYMENT too",
        ),
        ({"PERDURE_WORK__DEPLOYMENT": "Per.dure"}, "PERDURE_WORK__DEPLOYMENT: String should match"),
        (
            {"PERDURE_WORK__DEPLOYMENT": "perdure", "PERDURE_WORK__BUILD": "v 1"},
            "PERDURE_WORK__BUILD: String should match",
        ),
    ],
)
def test_a_name_that_cannot_be_used_is_one_line(environment: dict[str, str], complaint: str) -> None:
    result = run_program(sys.executable, "worker.py", environment=environment)
    assert result.returncode == 1
    assert complaint in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_the_embedded_stack_repeats_what_its_worker_says(
    tmp_path: Path, stub: StubModel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TEMPORAL_ADDRESS", raising=False)
    temporal, ui = free_ports(2)
    settings = Settings(
        paths=Paths(state=tmp_path / "state"),
        embedded=Embedded(temporal_port=temporal, ui_port=ui),
        model=Model(endpoints={"fast": stub.url, "strong": stub.url}),
        work=Work(deployment=DEPLOYMENT, build="v1"),
    )
    with Stack(settings, model=False):
        errors = capsys.readouterr().err
    assert "version: perdure has no current version: new runs wait until" in errors
