"""A changed file reaches the worker: a new one starts beside the old one, which ends only once the new one serves."""

import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from activities.settings import PROFILES
from deploy.local.stack import reloads as module
from deploy.local.stack.reloads import Reloads
from deploy.local.stack.sources import Sources
from deploy.local.stack.supervisor import Supervisor
from deploy.processes.errors import DeployError
from deploy.processes.process import Process
from tests.support.waiting import wait_until

SERVES = """
import pathlib, signal, sys, time

def finish(*_):
    print("finished", flush=True)
    sys.exit(0)

signal.signal(signal.SIGTERM, finish)
if "refuse" in pathlib.Path({file!r}).read_text():
    sys.exit("no such setting")
print("ready", flush=True)
time.sleep(600)
"""
"""A worker. It refuses to start with some files that the check finds no mistake in; at its end it finishes its work."""


class World:
    """A catalogue that is followed, and a worker that reads it at its start."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys
        self.reported: list[str] = []
        self.pids: list[int] = []
        self.catalogue = folder / "catalogue.toml"
        self.write("# The first edition.")
        self.spec = folder / "agents" / "clerk.toml"
        self.spec.parent.mkdir()
        self.log = folder / "worker.log"
        self.supervisor = Supervisor(lambda _, pid: self.pids.append(pid))
        sources = Sources(code=((folder, "*.toml"),), specs=((folder / "agents", "*.toml"),))
        self.reloads = Reloads(sources, {"PERDURE_PATHS__CATALOGUE": str(self.catalogue)})

    def write(self, more: str) -> None:
        """Write the catalogue, with more lines."""
        self.catalogue.write_text((PROFILES / "local.toml").read_text() + more)

    def worker(self) -> Process:
        code = SERVES.format(file=str(self.catalogue))
        part = Process(
            "the worker",
            [sys.executable, "-u", "-c", code],
            log=self.log,
            ready=lambda: "ready" in part.printed(),
            environment={},
        )
        return part

    def start(self) -> None:
        first = self.worker()
        self.supervisor.add(first)
        first.begin(self.supervisor.started(first))
        self.supervisor.tend(first)
        self.supervisor.hold(lambda _: self.reloads.broken())
        self.supervisor.follow(self.reloads.follow(first, self.worker, self.supervisor))

    def until(self, true: Callable[[], bool], what: str) -> None:
        def looked() -> bool:
            self.supervisor.look()
            self.reported += self.capsys.readouterr().err.splitlines()
            return true()

        wait_until(looked, what=what, seconds=120)

    def until_reported(self, pattern: str) -> None:
        self.until(lambda: any(re.search(pattern, line) for line in self.reported), what=f"it is said: {pattern}")

    def until_replaced(self) -> None:
        self.until_reported("the new worker is ready")
        self.until(lambda: len(self.supervisor.parts) == 1, what="the old worker is gone")

    @property
    def pid(self) -> int:
        """The pid of the worker that serves."""
        [part] = self.supervisor.parts
        assert part.process is not None
        return part.process.pid


@pytest.fixture
def world(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[World]:
    made = World(tmp_path, capsys)
    made.start()
    yield made
    made.supervisor.stop()


def test_a_burst_of_edits_is_one_new_worker_and_the_old_one_finishes_its_work(world: World) -> None:
    old = world.pid
    for number in range(20):
        world.write(f"# {number}")
        world.supervisor.look()
    world.until_replaced()
    assert world.pid != old
    assert len(world.pids) == 2
    assert world.log.read_text().splitlines() == ["ready", "ready", "finished"], "it served until the new one did"
    assert not any("ended by itself" in line for line in world.reported)


def test_a_broken_file_is_one_line_and_the_old_worker_goes_on_until_it_is_mended(world: World) -> None:
    old = world.pid
    world.write("\n[tiers]\n")
    world.until_reported("the worker goes on as it was before the change of .*catalogue.toml")
    [line] = [line for line in world.reported if "the model catalogue" in line]
    assert "cannot be read" in line
    assert world.pid == old
    world.write("# Mended.")
    world.until_replaced()
    assert world.pids == [old, world.pid]


def test_a_file_that_is_as_the_worker_has_it_again_needs_no_new_worker(world: World) -> None:
    old = world.pid
    world.write("\n[tiers]\n")
    world.until_reported("the worker goes on")
    world.write("# The first edition.")
    world.until_reported("runs that start from now on use it")
    assert world.pids == [old]
    assert not world.reloads.broken()


def test_a_new_worker_that_does_not_start_changes_nothing_and_the_next_change_tries_again(world: World) -> None:
    old = world.pid
    world.write("# refuse")
    world.until_reported("the old worker goes on; the next change of a file starts a new one")
    assert "the new worker did not start: the worker ended by itself with exit code 1" in " ".join(world.reported)
    assert "  no such setting" in world.reported
    assert world.pid == old
    world.write("# Accepted.")
    world.until_replaced()
    assert world.pid != old


def test_a_changed_spec_is_checked_and_needs_no_new_worker(world: World) -> None:
    old = world.pid
    world.spec.write_text('kind = "agent"')
    world.until_reported("changed: .*clerk.toml; runs that start from now on use it")
    assert world.pid == old


def test_a_worker_that_dies_while_files_are_broken_is_started_once_they_are_mended(world: World) -> None:
    world.write("\n[tiers]\n")
    world.until_reported("the worker goes on")
    os.kill(world.pid, signal.SIGKILL)
    world.until_reported("ended by itself")
    world.write("# Mended.")
    world.until(lambda: world.pids[-1] != world.pids[0], what="a worker is started with the mended file")
    world.until_reported(r"ready")
    assert sum("restart" in line for line in world.reported) == 1, "no restart was wasted on the broken file"


def test_files_that_no_worker_can_start_with_are_refused_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = World(tmp_path, capsys)
    made.write("\n[tiers]\n")
    with pytest.raises(DeployError, match=r"the worker cannot start with these files:\n  the model catalogue"):
        made.reloads.require_usable()


def test_a_check_that_hangs_is_ended_and_is_a_mistake_itself(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECK_SECONDS", 0.0)
    world.write("# Another edition.")
    world.until_reported("the check of tools and specs took longer than 0 s")
    assert len(world.pids) == 1
