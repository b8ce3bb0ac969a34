"""Installs SGLang and its router in environments of their own, with a small model, once for a user."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from activities.settings import Settings, environment_with
from deploy.local.weights import weights
from deploy.processes.errors import DeployError
from deploy.processes.folder_lock import only_one
from deploy.processes.progress import CONSOLE

SGLANG, SMG = "0.5.23", "1.13.0"
"""The versions that profiles and tests are written for."""

WEIGHTS = "smollm2-135m"
"""The catalogue's file that is served on the CPU: too small for useful answers, enough for the whole protocol."""

CPU = Path(__file__).resolve().parent / "cpu"

ROOM_BYTES = 8_000_000_000
"""The free disk that the installation needs, in bytes: six GB for the environment, the rest while unpacking."""

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

MADE_OF = {".txt", ".toml", ".py"}
"""The suffixes of files in `cpu/` that decide what is installed. The chat template is read at each start."""

Command = list[str]


@dataclass(frozen=True)
class Installed:
    """The paths of an installation."""

    folder: Path

    @property
    def python(self) -> Path:
        """The interpreter of SGLang's environment."""
        return self.folder / "sglang" / "bin" / "python"

    @property
    def smg(self) -> Path:
        """The router's command."""
        return self.folder / "smg" / "bin" / "smg"

    @property
    def model(self) -> Path:
        """The checkpoint of the small model."""
        return self.folder / "model"


WHOLE = ".whole"
"""The stamp of a complete installation, a file in its folder."""


class InstallFailed(DeployError):
    """SGLang cannot be installed here."""


def home() -> Path:
    """Return the installation's folder for this version, named by the digest of what it is made of."""
    digest = hashlib.sha256(f"{SGLANG} {SMG} {PYTHON} {WEIGHTS}".encode())
    for file in sorted(path for path in CPU.rglob("*") if path.suffix in MADE_OF):
        digest.update(file.relative_to(CPU).as_posix().encode() + file.read_bytes())
    return Path(f"~/.cache/perdure/sglang-{SGLANG}").expanduser() / digest.hexdigest()[:12]


def is_installed() -> bool:
    """Return whether the installation is complete."""
    return (home() / WHOLE).exists()


def install(settings: Settings | None = None) -> Installed:
    """Return the installation, after making it if it is missing. Raises `DeployError`.

    Environments contain their own path, so they are made in place. The stamp of a complete installation is written
    last; a folder without it is removed and made again.
    """
    installed = Installed(home())
    stamp = installed.folder / WHOLE
    if stamp.exists():
        return installed
    file = weights.fetch(WEIGHTS, settings)
    installed.folder.parent.mkdir(parents=True, exist_ok=True)
    with only_one(installed.folder.parent, "installing SGLang"):
        if not stamp.exists():
            shutil.rmtree(installed.folder, ignore_errors=True)
            if (free := shutil.disk_usage(installed.folder.parent).free) < ROOM_BYTES:
                raise InstallFailed(
                    f"no room for SGLang in {str(installed.folder.parent)!r}: {ROOM_BYTES / 1e9:.0f} GB are needed, "
                    f"{free / 1e9:.1f} GB are free"
                )
            installed.folder.mkdir(parents=True)
            _make(installed, file)
            stamp.touch()
        _remove_others(installed.folder)
    return installed


def _make(installed: Installed, file: Path) -> None:
    """Run every step of the installation, with a progress bar and a log."""
    steps = list(_steps(installed, file))
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=16), MofNCompleteColumn(), TimeElapsedColumn())
    log = installed.folder / "install.log"
    with log.open("wb") as out, Progress(*columns, console=CONSOLE, refresh_per_second=4) as progress:
        task = progress.add_task("SGLang", total=len(steps))
        for what, command in steps:
            progress.update(task, description=f"SGLang {SGLANG}: {what}")
            _run(what, command, out.fileno(), log)
            progress.advance(task)


def _steps(installed: Installed, file: Path) -> Iterator[tuple[str, Command]]:
    """Yield each step's name and command."""
    uv = _uv()
    into = [uv, "pip", "install", "--python", str(installed.python)]
    smg = installed.smg.parent.parent
    yield "an environment", [uv, "venv", "--python", PYTHON, str(installed.python.parent.parent)]
    yield "its libraries (6 GB)", [*into, "--requirement", str(CPU / "requirements.txt")]
    # Its own requirements would install kernels that need a GPU when they are imported.
    yield "the server", [*into, "--no-deps", f"sglang=={SGLANG}"]
    yield "the CPU platform", [*into, "--no-deps", "--no-build-isolation", str(CPU)]
    yield "the router's environment", [uv, "venv", "--python", PYTHON, str(smg)]
    yield "the router", [uv, "pip", "install", "--python", str(smg / "bin" / "python"), f"smg=={SMG}"]
    yield "the small model", [str(installed.python), str(CPU / "convert.py"), str(file), str(installed.model)]


def _run(what: str, command: Command, out: int, log: Path) -> None:
    """Run one command. Raises `InstallFailed` with the last line of its log."""
    environment = environment_with(HF_HUB_OFFLINE="1", OMP_NUM_THREADS="1")
    result = subprocess.run(  # noqa: S603 - the commands above
        command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment, check=False
    )
    if result.returncode != 0:
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        raise InstallFailed(
            f"SGLang cannot be installed here: {what} ended with exit code {result.returncode} "
            f"({lines[-1].strip()[:200] if lines else 'without a word'}); {str(log)!r} says more"
        )


def _uv() -> str:
    """Return the command `uv`. Raises `InstallFailed` where there is none."""
    beside = Path(sys.executable).with_name("uv")
    command = str(beside) if beside.exists() else shutil.which("uv")
    if command is None:
        raise InstallFailed("uv is not there to install SGLang with: run `make setup`")
    return command


def _remove_others(folder: Path) -> None:
    """Remove the installations of other checkouts: each has 6 GB, and is made again where it is needed."""
    for other in folder.parent.iterdir():
        if other.is_dir() and other != folder:
            shutil.rmtree(other, ignore_errors=True)
