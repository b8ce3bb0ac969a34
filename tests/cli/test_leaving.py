"""A command ends its process at once: no thread of Temporal's core meets an interpreter that is already ending."""

import asyncio
import subprocess
import sys

import pytest

from activities.settings import ROOT, environment_with
from deploy.processes.ports import free_ports

ENDING = """
import atexit, sys

class Late:
    def __del__(self):
        print("the interpreter ended", file=sys.stderr)

sys.late = Late()
atexit.register(lambda: print("exit handlers ran", file=sys.stderr))
sys.argv = ["perdure", "--address", {address!r}, "list"]
from {module} import {function}
{call}
"""
"""A process that tells what its end runs."""

ENTRIES = (
    ("perdure.cli", "main", "sys.exit(main())"),  # the wheel's own script
    ("deploy.cli.app", "end", "end()"),
)


@pytest.mark.parametrize(("module", "function", "call"), ENTRIES)
def test_a_command_runs_exit_handlers_and_never_ends_the_interpreter(module: str, function: str, call: str) -> None:
    [port] = free_ports(1)
    code = ENDING.format(address=f"127.0.0.1:{port}", module=module, function=function, call=call)
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert process.returncode == 1
    assert "no Temporal server answers" in process.stderr
    assert "exit handlers ran" in process.stderr
    assert "the interpreter ended" not in process.stderr


@pytest.mark.chaos
@pytest.mark.timeout(1800)
async def test_no_command_crashes_where_the_server_is_gone(request: pytest.FixtureRequest) -> None:
    """Of a hundred commands that ended their interpreter, eight crashed in it (SIGABRT)."""
    [port] = free_ports(1)
    limit, count = asyncio.Semaphore(4), 4 if request.config.getoption("chaos") == "sample" else 200

    async def exit_code() -> int:
        async with limit:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "perdure.cli", "list"),
                cwd=ROOT,
                env=environment_with(TEMPORAL_ADDRESS=f"127.0.0.1:{port}"),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            return await process.wait()

    assert await asyncio.gather(*(exit_code() for _ in range(count))) == [1] * count
