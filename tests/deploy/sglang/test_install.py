"""Installing SGLang for the tests: complete or not at all, once for its inputs, and one line when it fails."""

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.sglang import cpu_server, install
from deploy.sglang.cpu_server import CpuServer
from deploy.sglang.install import Installed, InstallFailed

MAKES = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text('made')"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "sglang" / "0123"
    monkeypatch.setattr(install, "home", lambda: folder)
    monkeypatch.setattr(install, "ROOM_BYTES", 1)
    return folder


def steps(monkeypatch: pytest.MonkeyPatch, *codes: str) -> None:
    """Replace the real steps, which take a minute and 6 GB."""

    def short_steps(target: Installed, _: Path) -> list[tuple[str, list[str]]]:
        return [(f"step {index}", [sys.executable, "-c", code, str(target.model)]) for index, code in enumerate(codes)]

    monkeypatch.setattr(install, "_steps", short_steps)


def test_it_is_installed_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps(monkeypatch, MAKES)
    assert install.install().model.read_text() == "made"
    steps(monkeypatch, "raise SystemExit(1)")
    assert install.install().folder == home


def test_what_was_killed_on_the_way_is_made_anew(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.mkdir(parents=True)
    (home / "half").touch()
    steps(monkeypatch, MAKES)
    installed = install.install()
    assert installed.model.read_text() == "made"
    assert not (home / "half").exists()


@pytest.mark.usefixtures("home")
def test_a_step_that_fails_is_one_line_with_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    steps(monkeypatch, MAKES, "print('no such package'); raise SystemExit(3)")
    with pytest.raises(InstallFailed, match=r"step 1 ended with exit code 3 \(no such package\)") as stopped:
        install.install()
    assert "\n" not in str(stopped.value)
    steps(monkeypatch, MAKES)
    assert install.install().model.exists(), "the next installation starts from the beginning"


def test_no_room_is_told_before_anything_is_fetched(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "ROOM_BYTES", 10**18)
    steps(monkeypatch, MAKES)
    with pytest.raises(InstallFailed, match="no room for SGLang"):
        install.install()
    assert not home.exists()


def test_what_an_older_checkout_installed_goes(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    older = home.parent / "4567"
    older.mkdir(parents=True)
    steps(monkeypatch, MAKES)
    install.install()
    assert not older.exists()


def test_its_name_is_of_all_that_it_is_made_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first_home = install.home()
    assert install.home() == first_home
    (tmp_path / "requirements.txt").write_text("torch==1.0\n")
    monkeypatch.setattr(install, "CPU", tmp_path)
    other_home = install.home()
    (tmp_path / "requirements.txt").write_text("torch==1.1\n")
    assert len({first_home, other_home, install.home()}) == 3


def test_every_requirement_has_one_version() -> None:
    lines = (install.CPU / "requirements.txt").read_text().splitlines()
    assert len(lines) > 100
    assert [line for line in lines if line.split(" ;")[0].count("==") != 1] == []


def test_the_cpu_server_listens_on_loopback_and_sleeps_while_nobody_asks(tmp_path: Path) -> None:
    command = CpuServer(1, api_key="user").command(Installed(tmp_path))
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert "--sleep-on-idle" in command
    assert command[command.index("--api-key") + 1] == "user"
    assert "--admin-api-key" not in command
    assert cpu_server.ENVIRONMENT["OMP_NUM_THREADS"] == "1"


@pytest.mark.sglang
@pytest.mark.timeout(900)
def test_what_is_installed_is_the_version_that_profiles_are_written_for() -> None:
    installed = install.install()
    for python, name, version in (
        (installed.python, "sglang", install.SGLANG),
        (installed.smg.with_name("python"), "smg", install.SMG),
    ):
        script = f"import importlib.metadata as m; print(m.version({name!r}))"
        result = subprocess.run([str(python), "-c", script], capture_output=True, text=True, check=True)
        assert result.stdout.strip() == version
