"""The supervisor of parts: small real processes that die, alone and together, and leave children behind."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from deploy.local.stack.supervisor import Supervisor
from deploy.processes.errors import ProcessDied
from deploy.processes.process import Process
from deploy.processes.restarts import LIMIT
from tests.support.waiting import wait_until

SERVES = "print('ready', flush=True); import time; time.sleep(600)"


class World:
    """A supervisor, its parts, and the pid of each part's every start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pids: dict[str, list[int]] = {}
        self.supervisor = Supervisor(lambda part, pid: self.pids.setdefault(part.name, []).append(pid))

    def part(self, name: str, code: str = SERVES) -> Process:
        part = Process(
            name,
            [sys.executable, "-u", "-c", code],
            log=self.folder / f"{name}.log",
            ready=lambda: "ready" in part.printed(),
            environment={},
        )
        self.supervisor.add(part)
        part.begin(self.supervisor.started(part))
        self.supervisor.tend(part)
        return part

    def kill(self, name: str) -> None:
        os.kill(self.pids[name][-1], signal.SIGKILL)

    def until(self, true: Callable[[], bool], what: str) -> None:
        def looked() -> bool:
            self.supervisor.look()
            return true()

        wait_until(looked, what=what, seconds=60)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.supervisor.stop()


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_a_part_that_dies_is_named_with_its_end_and_its_log_and_is_started_again(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    part = world.part("the desk")
    world.kill("the desk")
    reported: list[str] = []

    def is_back() -> bool:
        reported.extend(lines(capsys))
        return any(line.startswith("the desk is ready again") for line in reported)

    world.until(is_back, what="the part is ready again")
    assert reported[0] == f"the desk ended by itself with exit code -9 (killed by SIGKILL); its log: {part.log}"
    assert reported[1] == "the desk is starting again (restart 1 of 3 within 60 s)"
    assert part.running()
    assert part.log.read_text() == "ready\nready\n", "the log of the death is still there"


def test_the_last_words_of_a_part_that_gave_up_are_shown(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    marker = world.folder / "went"
    code = f"import os, sys; os.path.exists({str(marker)!r}) or sys.exit('no such database')"
    marker.touch()
    world.part("the desk", f"{code}; {SERVES}")
    marker.unlink()
    world.kill("the desk")
    reported: list[str] = []

    def is_explained() -> bool:
        reported.extend(lines(capsys))
        return "  no such database" in reported

    world.until(is_explained, what="the reason is shown")
    assert "the desk ended by itself with exit code 1" in reported[reported.index("  no such database") - 1]
    marker.touch()
    world.until(lambda: len(world.pids["the desk"]) == 3, what="it was started again, after it ended at its start")


def test_a_part_that_dies_for_the_fourth_time_within_a_minute_stops_the_stack_and_names_its_log(world: World) -> None:
    part = world.part("the worker")
    for number in range(LIMIT):
        world.kill("the worker")
        world.until(lambda before=number: len(world.pids["the worker"]) == before + 2, what="it was started again")
        world.until(lambda: "ready" in part.printed(), what="it is ready")
    world.kill("the worker")
    with pytest.raises(ProcessDied) as died:
        world.until(lambda: False, what="the supervisor gives up")
    assert str(died.value).startswith("the worker has died more than 3 times within 60 s, so the stack has stopped: ")
    assert f"the end of its log {part.log}" in str(died.value)


def test_all_parts_that_die_together_are_reported_while_the_first_is_still_starting(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    gate = world.folder / "gate"
    gate.touch()
    slow = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.05)\n{SERVES}"
    world.part("the model server", slow)
    others = ["Weaviate", "the desk", "the worker"]
    for name in others:
        world.part(name)
    gate.unlink()
    for name in world.pids:
        world.kill(name)
    reported: list[str] = []

    def are_back() -> bool:
        reported.extend(lines(capsys))
        return {line.partition(" is ready again")[0] for line in reported if " is ready again" in line} == {*others}

    world.until(are_back, what="the others are ready again")
    assert sum("ended by itself" in line for line in reported) == 4
    gate.touch()
    others.append("the model server")
    world.until(are_back, what="the slow one too")


def test_nothing_that_a_dead_part_has_started_outlives_it(world: World) -> None:
    code = (
        "import subprocess, sys; child = [sys.executable, '-c', 'import time; time.sleep(600)'];"
        "print(subprocess.Popen(child, start_new_session=True).pid, flush=True);"
    )
    part = world.part("the worker", code + SERVES)
    child = psutil.Process(int(part.printed()[0]))
    world.kill("the worker")
    world.until(lambda: len(world.pids["the worker"]) == 2, what="it was started again")

    def is_gone() -> bool:
        with contextlib.suppress(psutil.NoSuchProcess):
            return child.status() == psutil.STATUS_ZOMBIE  # nobody has waited for it yet
        return True

    wait_until(is_gone, what="the child is gone")
    wait_until(lambda: bool(part.printed()), what="the part has started another child")
    later = psutil.Process(int(part.printed()[0]))
    part.end()
    wait_until(lambda: not later.is_running() or later.status() == psutil.STATUS_ZOMBIE, what="also after its end")


def test_a_part_that_is_held_is_started_once_it_is_held_no_longer(world: World) -> None:
    world.part("the worker")
    held = [True]
    world.supervisor.hold(lambda _: held[0])
    world.kill("the worker")
    for _ in range(30):
        world.supervisor.look()
        time.sleep(0.01)
    assert len(world.pids["the worker"]) == 1
    held.clear()
    held.append(False)
    world.until(lambda: len(world.pids["the worker"]) == 2, what="it was started again")
