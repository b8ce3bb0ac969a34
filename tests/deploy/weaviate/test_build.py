"""Weaviate's server is built once, complete or not at all; errors name a remedy. The `go` of these tests is a stub."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from activities.settings import ROOT
from deploy.processes.errors import DeployError
from deploy.weaviate.build import PROGRAM, obtain
from tests.support.waiting import wait_until

StubGo = Callable[[str, str], Path]


@pytest.fixture
def stub_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StubGo:
    """Return a function that makes a command `go` of a version, whose `install` is a script."""

    def make_go(version: str, install: str) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir()
        go = folder / "go"
        log = tmp_path / "installs"
        go.write_text(
            f'#!/bin/sh\nif [ "$1" = version ]; then echo "go version {version} linux/amd64"; exit; fi\n'
            f'echo "$@" >> {log}\n{install}\n'
        )
        go.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        return log

    return make_go


BUILDS = 'echo "go: downloading a module" >&2; printf "#!/bin/sh" > "$GOBIN/weaviate-server"'


def test_it_is_built_once(stub_go: StubGo, tmp_path: Path) -> None:
    log = stub_go("go1.26.8", BUILDS)
    for _ in range(2):
        assert obtain(tmp_path / "programs") == tmp_path / "programs" / PROGRAM
    assert log.read_text() == "install -v github.com/weaviate/weaviate/cmd/weaviate-server@v1.35.2\n"
    assert files_left(tmp_path) == {PROGRAM}


def test_without_go_the_remedy_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeployError, match=r"needs Go 1\.25 or newer, and there is no `go` .*PERDURE_STORE__WEAVIATE"):
        obtain(tmp_path / "programs")


def test_an_old_go_is_said_with_its_version(stub_go: StubGo, tmp_path: Path) -> None:
    stub_go("go1.19.8", BUILDS)
    with pytest.raises(DeployError, match=r"`go` is go1\.19: install a newer one"):
        obtain(tmp_path / "programs")


def test_a_build_that_fails_leaves_nothing_and_says_why(stub_go: StubGo, tmp_path: Path) -> None:
    stub_go("go1.26.8", 'printf half > "$GOBIN/weaviate-server"; echo "module lookup disabled" >&2; exit 1')
    with pytest.raises(DeployError, match="could not be built; the last that `go` said: 'module lookup disabled'"):
        obtain(tmp_path / "programs")
    assert files_left(tmp_path) == set()


OBTAIN = "import sys; from pathlib import Path; from deploy.weaviate.build import obtain; obtain(Path(sys.argv[1]))"


def builder(tmp_path: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", OBTAIN, str(tmp_path / "programs")], cwd=ROOT)


def test_a_killed_build_leaves_nothing_that_stops_the_next(stub_go: StubGo, tmp_path: Path) -> None:
    log = stub_go("go1.26.8", 'printf half > "$GOBIN/weaviate-server"; [ -e go-on ] || exec sleep 600; ' + BUILDS)
    process = builder(tmp_path)
    wait_until(log.exists, what="go has begun")
    process.send_signal(signal.SIGKILL)
    process.wait()
    (tmp_path / "bin" / "go").write_text(
        f'#!/bin/sh\nif [ "$1" = version ]; then echo "go version go1.26.8"; exit; fi\n{BUILDS}\n'
    )
    assert obtain(tmp_path / "programs").read_text() == "#!/bin/sh"
    assert files_left(tmp_path) == {PROGRAM}


def test_of_two_builds_at_once_one_waits_and_finds_what_the_other_built(stub_go: StubGo, tmp_path: Path) -> None:
    log = stub_go("go1.26.8", f"until [ -e {tmp_path}/go-on ]; do sleep 0.05; done; {BUILDS}")
    processes = [builder(tmp_path), builder(tmp_path)]
    wait_until(log.exists, what="one of them builds")
    (tmp_path / "go-on").touch()
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    assert len(log.read_text().splitlines()) == 1


def files_left(tmp_path: Path) -> set[str]:
    return {path.name for path in (tmp_path / "programs").iterdir()} - {".lock"}
