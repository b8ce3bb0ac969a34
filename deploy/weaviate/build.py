"""Finds Weaviate's server in the user's cache, or builds it there once from its published source."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from activities.settings import environment_with
from deploy.processes.errors import DeployError, DiskFull
from deploy.processes.folder_lock import only_one
from deploy.processes.process import bound_to_this_process
from deploy.processes.progress import CONSOLE

VERSION = "1.35.2"
SOURCE = f"github.com/weaviate/weaviate/cmd/weaviate-server@v{VERSION}"
PROGRAM = f"weaviate-server-{VERSION}"
GO = (1, 25)
"""The oldest Go that builds it."""

STEPS = 218 + 1726
"""Modules that are downloaded and packages that are compiled: `go` names each. What it has already it does not name."""

_OTHERWISE = "or set PERDURE_STORE__WEAVIATE to a server that runs"


def cached(programs: Path) -> Path | None:
    """The program, where it was built before."""
    program = programs / PROGRAM
    return program if program.is_file() else None


def obtain(programs: Path) -> Path:
    """The program, built first if it is not there: 3 to 6 minutes and 3 GB of Go's caches. Raises `DeployError`.

    It appears only when it is whole. Two builds do not run at once, and what a killed one left is removed.
    """
    found = cached(programs)
    if found is not None:
        return found
    go = _go()
    programs.mkdir(parents=True, exist_ok=True)
    with only_one(programs, "building Weaviate", ".building-*"):
        found = cached(programs)  # another process may have built it meanwhile
        if found is not None:
            return found
        with tempfile.TemporaryDirectory(prefix=".building-", dir=programs) as folder:
            _build(go, Path(folder))
            (Path(folder) / "weaviate-server").replace(programs / PROGRAM)
    return programs / PROGRAM


def _go() -> str:
    """The command `go`. Raises `DeployError` where there is none, or where it is too old."""
    wanted = ".".join(map(str, GO))
    why = f"Weaviate's server is built from its source once, which needs Go {wanted} or newer"
    go = shutil.which("go")
    if go is None:
        raise DeployError(f"{why}, and there is no `go` on this machine: install it (https://go.dev/dl), {_OTHERWISE}")
    said = subprocess.run([go, "version"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"go(\d+)\.(\d+)", said)
    if version is None or (int(version[1]), int(version[2])) < GO:
        found = f"{version[0]}" if version else "one that does not say its version"
        raise DeployError(f"{why}, and `go` is {found}: install a newer one (https://go.dev/dl), {_OTHERWISE}")
    return go


def _build(go: str, folder: Path) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn())
    last = ""
    with Progress(*columns, console=CONSOLE, refresh_per_second=4) as bars:
        bar = bars.add_task(f"build Weaviate {VERSION}, once", total=STEPS)
        with _running([go, "install", "-v", SOURCE], folder) as process:
            for line in process.stderr or ():
                last = line.strip() or last
                bars.advance(bar)
        if process.returncode == 0:
            bars.update(bar, completed=STEPS)
    if process.returncode != 0:
        if "no space left" in last:
            raise DiskFull(f"the disk became full while Weaviate was built: make room for 4 GB, {_OTHERWISE}")
        raise DeployError(
            f"Weaviate's server could not be built; the last that `go` said: {last[:300]!r}; run the same command "
            f"again, {_OTHERWISE}"
        )


@contextmanager
def _running(command: list[str], folder: Path) -> Generator[subprocess.Popen[str]]:
    """A command and all that it starts, which end with this block."""
    process = subprocess.Popen(
        [*bound_to_this_process(), *command],
        cwd=folder,
        env=environment_with(GOBIN=str(folder)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        with process:
            yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
