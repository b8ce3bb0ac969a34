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
"""The oldest version of Go that builds it."""

STEPS = 218 + 1726
"""The steps of a build from nothing: `go` prints each module that it downloads and each package that it compiles."""

_OTHERWISE = "or set PERDURE_STORE__WEAVIATE to a server that runs"


def cached(programs: Path) -> Path | None:
    """Return the program; None where it was not built yet."""
    program = programs / PROGRAM
    return program if program.is_file() else None


def obtain(programs: Path) -> Path:
    """Return the program, after building it if it is missing: 3 to 6 minutes, 3 GB of caches. Raises `DeployError`.

    The program appears only when it is complete. Two builds never run at once; leftovers of a killed one are removed.
    """
    program = cached(programs)
    if program is not None:
        return program
    go = _go()
    programs.mkdir(parents=True, exist_ok=True)
    with only_one(programs, "building Weaviate", ".building-*"):
        program = cached(programs)  # another process may have built it in the meantime
        if program is not None:
            return program
        with tempfile.TemporaryDirectory(prefix=".building-", dir=programs) as folder:
            _build(go, Path(folder))
            (Path(folder) / "weaviate-server").replace(programs / PROGRAM)
    return programs / PROGRAM


def _go() -> str:
    """Return the command `go`. Raises `DeployError` where there is none, or it is too old."""
    wanted = ".".join(map(str, GO))
    why = f"Weaviate's server is built from its source once, which needs Go {wanted} or newer"
    go = shutil.which("go")
    if go is None:
        raise DeployError(f"{why}, and there is no `go` on this machine: install it (https://go.dev/dl), {_OTHERWISE}")
    output = subprocess.run([go, "version"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"go(\d+)\.(\d+)", output)
    if version is None or (int(version[1]), int(version[2])) < GO:
        installed = f"{version[0]}" if version else "one that does not say its version"
        raise DeployError(f"{why}, and `go` is {installed}: install a newer one (https://go.dev/dl), {_OTHERWISE}")
    return go


def _build(go: str, folder: Path) -> None:
    """Build the program into the folder, with a progress bar. Raises `DiskFull` or `DeployError`."""
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
    """Run a command; end it and all its children with this block."""
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
