"""Start several processes that begin their work at the same moment, once all of them are ready."""

import asyncio
import subprocess
import sys
from collections.abc import Mapping, Sequence

from activities.settings import ROOT


async def ready(module: str, *arguments: object, environment: Mapping[str, str]) -> asyncio.subprocess.Process:
    """Start `python -m module words`, and wait until it prints that it is ready. It then waits for a line."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *map(str, arguments)),
        cwd=ROOT,
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    return process


async def lines_of(processes: Sequence[asyncio.subprocess.Process]) -> list[list[str]]:
    """Let the processes begin, wait for their end, and return the lines that each of them printed."""
    outputs = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    assert [process.returncode for process in processes] == [0] * len(processes), outputs
    return [output.decode().splitlines() for output, _ in outputs]
