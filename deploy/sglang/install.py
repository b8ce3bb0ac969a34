"""SGLang and its router in environments of their own, with a small model: installed once for a user, or not at all."""

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
"""The catalogue's file that is served on the CPU: too small to know anything, and it speaks the whole protocol."""

CPU = Path(__file__).resolve().parent / "cpu"

ROOM_BYTES = 8_000_000_000
"""Bytes. Six for the environment, and what is unpacked on the way."""

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

MADE_OF = {".txt", ".toml", ".py"}
"""The kinds of files beside `cpu/README.md` that decide what is installed. The chat template is read at each start."""

Command = list[str]


@dataclass(frozen=True)
class Installed:
    """Where everything is."""

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
"""The stamp in the folder of what is installed."""


class InstallFailed(DeployError):
    """SGLang cannot be installed here."""


def home() -> Path:
    """The folder of everything that is installed for this version, by the digest of what it is made of."""
    digest = hashlib.sha256(f"{SGLANG} {SMG} {PYTHON} {WEIGHTS}".encode())
    for file in sorted(path for path in CPU.rglob("*") if path.suffix in MADE_OF):
        digest.update(file.relative_to(CPU).as_posix().encode() + file.read_bytes())
    return Path(f"~/.cache/perdure/sglang-{SGLANG}").expanduser() / digest.hexdigest()[:12]


def is_installed() -> bool:
    """Whether all of it is there."""
    return (home() / WHOLE).exists()


def install(settings: Settings | None = None) -> Installed:
    """Everything, installed first where it is not there. Raises `DeployError`.

    Environments name their own folder, so they are made in their place; the stamp that says that all is whole is
    written last, and what has none is thrown away and made anew.
    """
    found = Installed(home())
    stamp = found.folder / WHOLE
    if stamp.exists():
        return found
    file = weights.fetch(WEIGHTS, settings)
    found.folder.parent.mkdir(parents=True, exist_ok=True)
    with only_one(found.folder.parent, "installing SGLang"):
        if not stamp.exists():
            shutil.rmtree(found.folder, ignore_errors=True)
            if (free := shutil.disk_usage(found.folder.parent).free) < ROOM_BYTES:
                raise InstallFailed(
                    f"no room for SGLang in {str(found.folder.parent)!r}: {ROOM_BYTES / 1e9:.0f} GB are needed, "
                    f"{free / 1e9:.1f} GB are free"
                )
            found.folder.mkdir(parents=True)
            _make(found, file)
            stamp.touch()
        _forget_others(found.folder)
    return found


def _make(found: Installed, file: Path) -> None:
    steps = list(_steps(found, file))
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=16), MofNCompleteColumn(), TimeElapsedColumn())
    log = found.folder / "install.log"
    with log.open("wb") as out, Progress(*columns, console=CONSOLE, refresh_per_second=4) as progress:
        task = progress.add_task("SGLang", total=len(steps))
        for what, command in steps:
            progress.update(task, description=f"SGLang {SGLANG}: {what}")
            _run(what, command, out.fileno(), log)
            progress.advance(task)


def _steps(found: Installed, file: Path) -> Iterator[tuple[str, Command]]:
    uv = _uv()
    into = [uv, "pip", "install", "--python", str(found.python)]
    smg = found.smg.parent.parent
    yield "an environment", [uv, "venv", "--python", PYTHON, str(found.python.parent.parent)]
    yield "its libraries (6 GB)", [*into, "--requirement", str(CPU / "requirements.txt")]
    # Its own list of requirements would bring kernels that ask for a GPU when they are imported.
    yield "the server", [*into, "--no-deps", f"sglang=={SGLANG}"]
    yield "the CPU platform", [*into, "--no-deps", "--no-build-isolation", str(CPU)]
    yield "the router's environment", [uv, "venv", "--python", PYTHON, str(smg)]
    yield "the router", [uv, "pip", "install", "--python", str(smg / "bin" / "python"), f"smg=={SMG}"]
    yield "the small model", [str(found.python), str(CPU / "convert.py"), str(file), str(found.model)]


def _run(what: str, command: Command, out: int, log: Path) -> None:
    environment = environment_with(HF_HUB_OFFLINE="1", OMP_NUM_THREADS="1")
    ended = subprocess.run(  # noqa: S603 - the commands above
        command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment, check=False
    )
    if ended.returncode != 0:
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        raise InstallFailed(
            f"SGLang cannot be installed here: {what} ended with exit code {ended.returncode} "
            f"({lines[-1].strip()[:200] if lines else 'without a word'}); {str(log)!r} says more"
        )


def _uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise InstallFailed("uv is not there to install SGLang with: run `make setup`")
    return found


def _forget_others(folder: Path) -> None:
    """Remove what an older checkout installed: it is 6 GB, and made anew where it is needed."""
    for other in folder.parent.iterdir():
        if other.is_dir() and other != folder:
            shutil.rmtree(other, ignore_errors=True)
