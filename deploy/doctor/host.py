"""Checks this machine: Python, the installed packages, the client's wheel, and the room on the disk."""

import asyncio
import importlib.metadata
import platform
import shutil
import sys
import tomllib

from activities.settings import ROOT
from deploy.doctor.finding import Check, Context, Report, ok, skipped, warn, wrong
from deploy.supply.packages import LOCK, pins

OLDEST_PYTHON = (3, 11)

GIBIBYTE = 1024**3
LITTLE = 1 * GIBIBYTE
"""The free space below which a database may soon be full."""
SOME = 5 * GIBIBYTE
"""The free space below which somebody should look."""


async def versions(context: Context, report: Report) -> None:
    """Check Python, and the installed packages against the lock."""
    del context
    python = platform.python_version()
    if sys.version_info < OLDEST_PYTHON:
        report(wrong("python", f"this is Python {python}", "`make setup PYTHON=python3.12`: it needs 3.11 or newer"))
    else:
        report(ok("python", f"Python {python}, Temporal's SDK {importlib.metadata.version('temporalio')}"))
    other = await asyncio.to_thread(_differences)
    if other:
        shown = ", ".join(other[:3]) + (f" and {len(other) - 3} more" if len(other) > 3 else "")  # noqa: PLR2004
        report(warn("packages", f"{len(other)} differ from requirements.lock: {shown}", "`make setup`"))
    else:
        report(ok("packages", "as requirements.lock says"))
    report_wheel(report)


def report_wheel(report: Report) -> None:
    """Report whether an installed client is of the same version as this checkout."""
    own = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    try:
        installed = importlib.metadata.version("perdure")
    except importlib.metadata.PackageNotFoundError:
        report(skipped("client wheel", f"not installed here; this checkout is {own}"))
        return
    if installed == own:
        report(ok("client wheel", f"{installed}, as this checkout"))
    else:
        report(warn("client wheel", f"the installed client is {installed}, and this checkout is {own}",
                    "install the wheel of this checkout (`make wheel`) where backends run"))  # fmt: skip


def _differences() -> list[str]:
    other: list[str] = []
    for name, version in ((pin.name, pin.version) for pin in pins(LOCK) if pin.is_for_here):
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            other.append(f"{name} is missing")
            continue
        if installed != version:
            other.append(f"{name} {installed} (not {version})")
    return other


async def disk(context: Context, report: Report) -> None:
    """Check the room on the disk of the state folder, and of the models where that is another disk."""
    paths = context.settings.paths
    for name, folder in (("disk", paths.state), ("disk of models", paths.models)):
        there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
        free = shutil.disk_usage(there).free
        shown = f"{free / GIBIBYTE:.1f} GiB free in {there}"
        remedy = "make room, or move the folder by PERDURE_PATHS__STATE or PERDURE_PATHS__MODELS"
        finding = wrong(name, shown, remedy) if free < LITTLE else warn(name, shown, remedy)
        report(ok(name, shown) if free >= SOME else finding)


VERSIONS = Check(("python", "packages", "client wheel"), versions)
DISK = Check(("disk", "disk of models"), disk)
