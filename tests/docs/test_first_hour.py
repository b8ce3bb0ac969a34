"""The README works from top to bottom: each file and command in its order, in a clean copy, against `make up` alone."""

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from time import monotonic

import pytest

from activities.settings import ROOT, environment_with
from deploy.processes.ports import free_ports
from tests.arch.files import written
from tests.docs.page_walk import Command, File, walk

README = (ROOT / "README.md").read_text()

UP = "make up"
"""The one command that stays in a terminal of its own."""

READY = "Ctrl-C stops it"
"""The last line that `make up` prints when everything answers."""

TAKEN_UP = "the new worker is ready"
"""What `make up` prints when the worker has a new tool, as the README says."""

RUN_BY_CI = ("make demo", "make test")
"""What `.ci/run` runs by itself: a test of these would run the tests in a test."""


@dataclass(frozen=True)
class Reader:
    """Somebody who has cloned the repository and types what the README says."""

    checkout: Path
    environment: dict[str, str]

    def write(self, file: File) -> None:
        path = self.checkout / file.path
        assert not path.exists(), f"{file.path} is shipped: the README would overwrite it"
        path.write_text(file.text)

    def type(self, command: Command) -> str:
        """Run a command to its end, and return what it printed."""
        ended = subprocess.run(
            ["bash", "-c", command.line],
            cwd=self.checkout,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert ended.returncode == 0, f"$ {command.line}\n{ended.stdout}"
        return ended.stdout


class Terminal:
    """The terminal in which `make up` runs: what it prints, line by line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: Queue[str] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, words: str) -> None:
        """Wait until a line is printed that has these words. Fails with what was printed instead."""
        printed: list[str] = []
        deadline = monotonic() + 300
        while not (printed and words in printed[-1]):
            with suppress(Empty):
                printed.append(self._lines.get(timeout=1))
                continue
            assert self._process.poll() is None, "".join(printed)
            assert monotonic() < deadline, "".join(printed)

    def _read(self) -> None:
        output = self._process.stdout
        assert output is not None
        with output:
            for line in output:
                self._lines.put(line)


@contextmanager
def up(reader: Reader) -> Generator[Terminal]:
    """Run `make up` in a terminal of its own, and yield that when everything is ready."""
    process = subprocess.Popen(
        ["make", "up"],
        cwd=reader.checkout,
        env=reader.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        terminal = Terminal(process)
        terminal.wait_for(READY)
        yield terminal
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        process.wait(60)


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    """A copy of what is in the repository, with the installed environment, and ports that nobody else has."""
    checkout = tmp_path / "perdure"
    for source in written():
        target = checkout / source.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        shutil.copymode(source, target)
    os.utime(checkout / "requirements.lock", (0, 0))  # `make` sees that what is installed is newer
    (checkout / ".venv").symlink_to(ROOT / ".venv")
    temporal, ui, model, desk = free_ports(4)
    environment = environment_with(
        TEMPORAL_CONFIG_FILE=str(tmp_path / "none.toml"),
        PERDURE_EMBEDDED__TEMPORAL_PORT=str(temporal),
        PERDURE_EMBEDDED__UI_PORT=str(ui),
        PERDURE_EMBEDDED__MODEL_PORT=str(model),
        PERDURE_EMBEDDED__DESK_PORT=str(desk),
    )
    for name in [name for name in environment if name == "TEMPORAL_ADDRESS" or name.startswith("MAKE")]:
        del environment[name]  # a newcomer has none of them, and `make test` sets the latter
    return Reader(checkout, environment)


@pytest.mark.timeout(900)
def test_the_readme_works_as_it_is_read(reader: Reader) -> None:
    steps = list(walk(README))
    [place] = [number for number, step in enumerate(steps) if step == Command(UP, ())]
    with up(reader) as terminal:
        address = f"127.0.0.1:{reader.environment['PERDURE_EMBEDDED__TEMPORAL_PORT']}"
        typing = Reader(reader.checkout, {**reader.environment, "TEMPORAL_ADDRESS": address})
        for step in steps[place + 1 :]:
            if isinstance(step, File):
                typing.write(step)
                if step.path.startswith("tools/"):
                    terminal.wait_for(TAKEN_UP)
            else:
                output = typing.type(step)
                assert step.missing(output) is None, f"$ {step.line}\n{output}"


def test_the_words_to_wait_for_are_what_the_readme_says() -> None:
    assert f"`{TAKEN_UP}`" in README


def test_the_commands_before_it_are_run_by_ci() -> None:
    steps = list(walk(README))
    before = steps[: steps.index(Command(UP, ()))]
    assert [step.line for step in before if isinstance(step, Command)] == list(RUN_BY_CI)


@pytest.mark.parametrize(
    ("printed", "output", "missing"),
    [
        (("84.00 euros",), "84.00\neuros\n", None),
        (("...40 minutes...",), "It rests 40 minutes.", None),
        (("first", "second"), "second, then first", "second"),
        (("a ... c",), "a b d", "a ... c"),
    ],
)
def test_what_a_page_says_is_compared_with_what_was_printed(
    printed: tuple[str, ...], output: str, missing: str | None
) -> None:
    assert Command("x", printed).missing(output) == missing
