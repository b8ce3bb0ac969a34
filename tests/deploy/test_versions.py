"""The versions' command, with worker processes and the command line tool as an operator runs them."""

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
async def own(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    """A server that the environment names, for workers of the deployment that it names."""
    async with own_server() as client:
        monkeypatch.setenv("TEMPORAL_ADDRESS", address_of(client))
        monkeypatch.setenv("PERDURE_WORK__DEPLOYMENT", DEPLOYMENT)
        yield client


def ran(*words: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200", **(environment or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


async def commanded(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, while workers of this process go on."""
    return await asyncio.to_thread(command, *arguments)


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return ran(sys.executable, "-m", "deploy.versions", *arguments)


@contextmanager
def worker(environment: Mapping[str, str], *arguments: str) -> Generator[list[str]]:
    """A worker process, and what it said until it was ready."""
    process = subprocess.Popen(
        [sys.executable, "worker.py", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        said: list[str] = []
        while not said or not said[-1].startswith("ready: "):
            line = process.stdout.readline()
            assert line, f"the worker ended with {process.wait()}"
            said.append(line.strip())
        yield said
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.mark.usefixtures("own")
def test_the_commands_of_the_readme_bring_in_a_second_version(tmp_path: Path) -> None:
    block = re.findall(r"^```\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)[0]
    environment = {"PERDURE_PATHS__STATE": str(tmp_path)}
    said: list[list[str]] = []
    with ExitStack() as running:
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if words[0] == "export":
                words = words[1:]
            while words and "=" in words[0]:
                name, _, value = words.pop(0).partition("=")
                environment[name] = value
            if words[1:] == ["worker.py"]:
                said.append(running.enter_context(worker(environment)))
            elif words:
                done = ran(sys.executable, *words[1:], environment=environment)
                assert (done.returncode, done.stderr) == (0, "")
                said.append(done.stdout.splitlines())
        began, first, beside, second, shown = said
        assert began[0] == (
            "version: perdure has no current version: new runs wait until `python -m deploy.versions use v1` has made "
            "v1 it"
        )
        assert first == ["new runs begin on v1"]
        assert beside[0] == "version: new runs begin on v1, not on v2: `python -m deploy.versions use v2` changes that"
        assert second == ["new runs begin on v2"]
        rows = [re.split(r"\s*[│┃]\s*", row)[1:4] for row in shown if re.match(r"│ v\d", row)]
        assert [row[0] for row in rows] == ["v1", "v2"]
        assert rows[0][1] in ("draining", "drained")
        assert rows[1][1:] == ["current", "0"]
        with worker({**environment, "PERDURE_WORK__BUILD": "v2"}, "--role", "workflows") as again:
            assert len(again) == 1, "it is ready and has nothing to say: new runs come to it"


async def test_the_other_lines_of_the_readme_are_taken_by_the_command_line_tool(
    own: Client, settings: Settings
) -> None:
    lines = re.findall(r"^temporal (.*)$", README, re.MULTILINE)
    assert len(lines) == 5
    async with serving(own, settings, "v2", [WorkerRole.WORKFLOWS]):
        await use(own, "v2")
        for line in lines:
            # `update-options` needs its run: tests/worker/test_versions.py moves one with it.
            if not line.startswith("workflow update-options"):
                done = await asyncio.to_thread(ran, str(TEMPORAL), *shlex.split(line))
                assert (done.returncode, done.stderr) == (0, ""), line
    shown = await commanded()
    assert shown.returncode == 1
    assert "no version is current, so new runs wait: `python -m deploy.versions use v2`" in shown.stderr


async def test_runs_that_are_left_are_counted_when_another_version_is_used(
    own: Client, settings: Settings, stub: StubModel, tmp_path: Path
) -> None:
    write_agent(tmp_path)
    settings = with_agents(settings, tmp_path)
    stub.script = [calls(MESSAGE)]
    platform = Platform(own)
    async with serving(own, settings, "v1"):
        await use(own, "v1")
        run = await platform.start_agent("Tell them.", agent="tester")
        await waits(platform, run)
        async with serving(own, settings, "v2", [WorkerRole.WORKFLOWS]):
            # The server indexes runs a moment after they have moved.
            done = await commanded("use", "v2")
            assert done.stderr == ""
            assert done.stdout.splitlines() == [
                "new runs begin on v2",
                "1 running on v1: keep its workers until `python -m deploy.versions` shows 0",
            ]
            assert (await commanded()).returncode == 0
        await platform.cancel(run)
        await platform.result(run)


async def test_a_version_without_a_queue_that_is_in_use_is_refused(own: Client, settings: Settings) -> None:
    platform = Platform(own)
    async with serving(own, settings, "v1"):
        await use(own, "v1")
        await platform.ask("How long is parental leave?")
        async with serving(own, settings, "v2", [WorkerRole.WORKFLOWS]):
            done = await commanded("use", "v2")
    assert done.returncode == 1
    assert "'perdure:v2' is missing active task queues from the current version" in done.stderr
    assert done.stderr.endswith(": start workers of v2 in every role that the current version has\n")


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

        async def forsaken() -> bool:
            done = await commanded()
            return done.returncode == 1 and done.stderr == (
                "1 running on v1, which has had no worker for five minutes: start one again, or move them as "
                "deploy/versions/README.md says\n"
            )

        await until(forsaken, what="the run on v1 is shown to have no worker")


async def test_a_version_that_nobody_serves_is_refused_with_those_there_are(own: Client, settings: Settings) -> None:
    async with serving(own, settings, "v1", [WorkerRole.WORKFLOWS]):
        await use(own, "v1")
        done = await commanded("use", "v9")
    assert done.returncode == 1
    assert done.stderr == (
        "perdure: perdure has no version 'v9': its workers have shown v1; start one with "
        "PERDURE_WORK__DEPLOYMENT=perdure PERDURE_WORK__BUILD=v9 first\n"
    )


@pytest.mark.usefixtures("own")
def test_before_the_first_worker_it_says_how_to_start_one() -> None:
    done = command()
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "perdure: no worker of 'perdure' was ever seen: start one with PERDURE_WORK__DEPLOYMENT=perdure\n"
    )


def test_without_a_deployment_it_says_which_setting_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PERDURE_WORK__DEPLOYMENT", raising=False)
    done = command("use", "v1")
    assert done.returncode == 1
    assert done.stderr == (
        "perdure: workers have no versions: set PERDURE_WORK__DEPLOYMENT, here and for them, to perdure\n"
    )


def test_no_server_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    [port] = free_ports(1)
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{port}")
    monkeypatch.setenv("PERDURE_WORK__DEPLOYMENT", DEPLOYMENT)
    done = command()
    assert done.returncode == 1
    assert done.stderr == (
        f"perdure: no Temporal server at 127.0.0.1:{port}: start one with `make up`, or set TEMPORAL_ADDRESS\n"
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
    done = ran(sys.executable, "worker.py", environment=environment)
    assert done.returncode == 1
    assert complaint in done.stderr
    assert len(done.stderr.splitlines()) == 1


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
        said = capsys.readouterr().err
    assert "version: perdure has no current version: new runs wait until" in said
