"""Fixtures: the wheel, built once and installed alone, and a Temporal server without the platform's workers."""

import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from activities.settings import ROOT
from perdure.contracts.temporal.search_attributes import SEARCH_ATTRIBUTES
from tests.support.servers.temporal import TEMPORAL


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command to its end and return its output. A failure shows all of it."""
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout without the network."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that holds the wheel and what the wheel asks for."""
    return installed(str(wheel), tmp_path_factory.mktemp("backend"))


@pytest.fixture(scope="session")
def perdure(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command line of an environment that holds the wheel with its extra, and the newest of what that asks for."""
    return installed(f"{wheel}[cli]", tmp_path_factory.mktemp("terminal")).with_name("perdure")


def installed(what: str, folder: Path) -> Path:
    """The interpreter of a new environment in which this is installed."""
    interpreter = folder / "venv" / "bin" / "python"
    uv = shutil.which("uv") or shutil.which("uv", path=Path(sys.executable).parent)
    if uv:
        run(uv, "venv", "--python", sys.executable, folder / "venv", cwd=folder)
        run(uv, "pip", "install", "--python", interpreter, what, cwd=folder)
    else:
        run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
        run(interpreter, "-m", "pip", "install", what, cwd=folder)
    return interpreter


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def temporal() -> AsyncIterator[WorkflowEnvironment]:
    """A real Temporal server with the platform's search attributes."""
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(TEMPORAL), search_attributes=SEARCH_ATTRIBUTES, dev_server_log_level="error"
    ) as environment:
        yield environment
