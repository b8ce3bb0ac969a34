"""One process of the stack: ready, dead, or unwilling to end."""

import sys
from pathlib import Path

import pytest

from deploy.processes import process
from deploy.processes.errors import ProcessDied
from deploy.processes.process import Process


def ignored(_: int) -> None:
    pass


def part_of(tmp_path: Path, code: str) -> Process:
    log = tmp_path / "part.log"
    return Process(
        "the part",
        [sys.executable, "-u", "-c", code],
        log=log,
        ready=lambda: "ready" in log.read_text(),
        environment={"GREETING": "ready"},
    )


def test_a_part_is_ready_when_it_says_so_and_its_process_is_known_before(tmp_path: Path) -> None:
    pids: list[int] = []
    part = part_of(tmp_path, "import os, time; print(os.environ['GREETING'], os.getpid()); time.sleep(600)")
    part.begin(pids.append)
    try:
        assert part.log.read_text() == f"ready {pids[0]}\n"
    finally:
        part.end()
    assert not part.running()


@pytest.mark.parametrize("code", [0, 3])
def test_a_part_that_ends_before_it_is_ready_is_named_with_its_last_lines(tmp_path: Path, code: int) -> None:
    part = part_of(tmp_path, f"print('no such database'); raise SystemExit({code})")
    with pytest.raises(ProcessDied) as died:
        part.begin(ignored)
    part.end()
    assert f"the part ended by itself with exit code {code}" in str(died.value)
    assert "no such database" in str(died.value)


def test_a_part_that_is_never_ready_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "READY_SECONDS", 0.5)
    part = part_of(tmp_path, "import time; time.sleep(600)")
    with pytest.raises(ProcessDied, match="the part was not ready"):
        part.begin(ignored)
    assert not part.running()


def test_a_part_that_ignores_the_request_to_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE_SECONDS", 0.5)
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready'); time.sleep(600)"
    part = part_of(tmp_path, code)
    part.begin(ignored)
    part.end()
    assert not part.running()


def test_the_log_of_the_start_before_is_kept(tmp_path: Path) -> None:
    for number in range(2):
        part = part_of(tmp_path, f"import time; print('ready {number}'); time.sleep(600)")
        part.begin(ignored)
        part.end()
    assert (tmp_path / "part.log").read_text() == "ready 1\n"
    assert (tmp_path / "part.previous.log").read_text() == "ready 0\n"
