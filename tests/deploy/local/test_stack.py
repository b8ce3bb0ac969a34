"""The embedded stack: real processes on free ports, started, stopped, killed."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from itertools import takewhile
from pathlib import Path

import psutil
import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from activities.settings import ROOT, Embedded, Paths, Settings
from deploy.local.stack.stack import Stack, running
from deploy.processes.errors import AlreadyRunning, NoTemporal, PortInUse, ProcessDied
from deploy.processes.ports import free_ports
from deploy.processes.restarts import LIMIT
from deploy.processes.state_file import Record
from perdure.contracts.temporal.search_attributes import TENANT
from tests.support.waiting import until, wait_until


@pytest.fixture(autouse=True)
def no_temporal_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEMPORAL_ADDRESS", raising=False)
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "none.toml"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    temporal, ui, model, desk = free_ports(4)
    return Settings(
        paths=Paths(state=tmp_path / "state"),
        embedded=Embedded(temporal_port=temporal, ui_port=ui, model_port=model, desk_port=desk),
    )


def temporal_only(settings: Settings) -> Stack:
    return Stack(settings, model=False, worker=False)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def command_line(settings: Settings) -> subprocess.Popen[str]:
    """Start `up` with Temporal alone, as a user does."""
    environment = {
        **os.environ,
        "PERDURE_PATHS__STATE": str(settings.paths.state),
        "PERDURE_EMBEDDED__TEMPORAL_PORT": str(settings.embedded.temporal_port),
        "PERDURE_EMBEDDED__UI_PORT": str(settings.embedded.ui_port),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "deploy.local", "up", "--no-model", "--no-worker"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def recorded(settings: Settings) -> Record:
    record = Record.read(settings.paths.state)
    assert record is not None
    return record


def test_temporal_starts_answers_and_stops(settings: Settings) -> None:
    stack = temporal_only(settings)
    with stack as addresses:
        assert addresses.temporal == f"127.0.0.1:{settings.embedded.temporal_port}"
        assert addresses.model is None
        assert listens(settings.embedded.temporal_port)
        assert listens(settings.embedded.ui_port)
        assert running(settings) == addresses
        (part,) = recorded(settings).parts
    assert running(settings) is None
    assert part.running() is None, "the process is gone when the stack has stopped"
    assert not listens(settings.embedded.temporal_port)


async def test_state_survives_a_restart(settings: Settings) -> None:
    tenant = TypedSearchAttributes([SearchAttributePair(TENANT, "acme")])
    with temporal_only(settings) as addresses:
        client = await Client.connect(addresses.temporal)
        await client.start_workflow("Waiting", id="order-1", task_queue="nobody", search_attributes=tenant)
    with temporal_only(settings) as addresses:
        client = await Client.connect(addresses.temporal)
        description = await client.get_workflow_handle("order-1").describe()
        assert description.status == WorkflowExecutionStatus.RUNNING
        assert description.typed_search_attributes[TENANT] == "acme"
        await asyncio.sleep(0)


async def test_a_killed_temporal_server_comes_back_at_its_address_with_its_runs(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    with temporal_only(settings) as addresses:
        client = await Client.connect(addresses.temporal)
        await client.start_workflow("Waiting", id="order-1", task_queue="nobody")
        (killed,) = recorded(settings).parts
        os.kill(killed.pid, signal.SIGKILL)
        reported: list[str] = []

        def is_back() -> bool:
            reported.extend(capsys.readouterr().err.splitlines())
            return any(line.startswith("the Temporal server is ready again") for line in reported)

        await until(is_back, what="the server is ready again")
        says = "the Temporal server ended by itself with exit code -9 (killed by SIGKILL); its log: "
        assert [line.partition(says)[1] for line in reported if "ended by itself" in line] == [says]
        (part,) = recorded(settings).parts
        assert part.pid != killed.pid, "the next start would end this one"
        description = await (await Client.connect(addresses.temporal)).get_workflow_handle("order-1").describe()
        assert description.status == WorkflowExecutionStatus.RUNNING


def test_a_port_in_use_is_named_with_its_holder_and_its_setting(settings: Settings) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", settings.embedded.ui_port))
        holder.listen()
        with pytest.raises(PortInUse) as stopped, temporal_only(settings):
            pass
    message = str(stopped.value)
    assert f"port {settings.embedded.ui_port} is in use" in message
    assert f"pid {os.getpid()}" in message
    assert "PERDURE_EMBEDDED__UI_PORT" in message
    assert Record.read(settings.paths.state) is None


def test_a_temporal_server_that_does_not_answer_is_one_line(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"127.0.0.1:{settings.embedded.temporal_port}"
    monkeypatch.setenv("TEMPORAL_ADDRESS", address)
    with pytest.raises(NoTemporal) as stopped, temporal_only(settings):
        pass
    assert str(stopped.value) == f"no Temporal server at {address}: start one or unset TEMPORAL_ADDRESS"


def test_a_temporal_server_that_the_environment_names_is_used(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with temporal_only(settings) as addresses:
        monkeypatch.setenv("TEMPORAL_ADDRESS", addresses.temporal)
        second_stack = temporal_only(Settings(paths=Paths(state=tmp_path / "other")))
        with second_stack as named:
            assert named.temporal == addresses.temporal
            assert named.ui is None
            assert second_stack.parts == ()
        assert listens(settings.embedded.temporal_port), "it is not ours to stop"


def test_a_second_stack_on_the_same_state_is_refused(settings: Settings) -> None:
    with temporal_only(settings) as addresses:
        with pytest.raises(AlreadyRunning, match=rf"pid {os.getpid()}, Temporal at {addresses.temporal}"):
            temporal_only(settings).__enter__()
        assert running(settings) == addresses


@pytest.mark.parametrize("stop_signal", [signal.SIGINT, signal.SIGTERM], ids=lambda stop: signal.Signals(stop).name)
def test_up_ends_in_order_when_it_is_told_to(settings: Settings, stop_signal: signal.Signals) -> None:
    with command_line(settings) as process:
        assert process.stdout is not None
        lines = list(takewhile(lambda line: line != "Ctrl-C stops it\n", process.stdout))
        (part,) = recorded(settings).parts
        process.send_signal(stop_signal)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert f"Temporal   127.0.0.1:{settings.embedded.temporal_port}\n" in lines
    assert part.running() is None
    assert Record.read(settings.paths.state) is None


def test_up_ends_with_1_when_a_part_dies_again_and_again_and_names_its_log(settings: Settings) -> None:
    with command_line(settings) as process:
        wait_until(lambda: running(settings) is not None, what="the stack is up")
        killed: set[int] = set()

        def ended() -> bool:
            record = Record.read(settings.paths.state)
            for part in record.parts if record is not None else ():
                if part.pid not in killed and listens(settings.embedded.temporal_port):
                    killed.add(part.pid)
                    os.kill(part.pid, signal.SIGKILL)
            return process.poll() is not None

        wait_until(ended, what="the stack has given up", seconds=120)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert len(killed) == LIMIT + 1
    assert "perdure: the Temporal server has died more than 3 times within 60 s, so the stack has stopped" in err
    assert str(settings.paths.state / "logs" / "temporal.log") in err.partition("perdure: ")[2]
    assert "Traceback" not in err


def test_a_program_that_uses_a_stack_ends_with_one_line_when_a_part_dies_again_and_again(settings: Settings) -> None:
    def kill_each() -> None:
        while True:
            for part in recorded(settings).parts:
                with suppress(ProcessLookupError):  # it has been reaped meanwhile
                    os.kill(part.pid, signal.SIGKILL)
            time.sleep(0.05)

    with pytest.raises(ProcessDied, match="the Temporal server has died more than 3 times"), temporal_only(settings):
        kill_each()
    assert Record.read(settings.paths.state) is None


def test_a_killed_supervisor_leaves_nothing_that_stops_the_next(settings: Settings) -> None:
    with command_line(settings) as process:
        wait_until(lambda: running(settings) is not None, what="the stack is up")
        (orphan,) = recorded(settings).parts
        process.kill()
        process.communicate(timeout=30)
    with temporal_only(settings):
        assert orphan.running() is None
        assert listens(settings.embedded.temporal_port)


def test_only_the_recorded_process_is_ended_not_a_later_one_with_its_number(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    sleepers = [subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) for _ in range(2)]
    try:
        recorded_process, later_process = (psutil.Process(sleeper.pid) for sleeper in sleepers)
        state = settings.paths.state / "run"
        state.mkdir(parents=True)
        parts = [
            {"name": "ours", "pid": recorded_process.pid, "created": recorded_process.create_time()},
            {"name": "other", "pid": later_process.pid, "created": later_process.create_time() - 60},
        ]
        supervisor = {"name": "supervisor", "pid": os.getpid(), "created": 1.0}
        (state / "stack.json").write_text(json.dumps({"supervisor": supervisor, "parts": parts}))
        with temporal_only(settings):
            assert sleepers[0].wait(timeout=10) == -signal.SIGTERM
            assert sleepers[1].poll() is None
    finally:
        for sleeper in sleepers:
            sleeper.kill()
            sleeper.wait()


def test_an_unreadable_record_is_no_obstacle(settings: Settings) -> None:
    folder = settings.paths.state / "run"
    folder.mkdir(parents=True)
    (folder / "stack.json").write_text("{")
    assert running(settings) is None
    with temporal_only(settings) as addresses:
        assert running(settings) == addresses
