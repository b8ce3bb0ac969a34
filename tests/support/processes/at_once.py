"""Several processes that begin at the same moment, once all of them are ready."""

import asyncio
import subprocess
import sys
from collections.abc import Mapping, Sequence

from activities.settings import ROOT


async def ready(module: str, *words: object, environment: Mapping[str, str]) -> asyncio.subprocess.Process:
    """`python -m module words`, which has said that it is ready and waits for a line."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *map(str, words)),
        cwd=ROOT,
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    return process


async def said_by(processes: Sequence[asyncio.subprocess.Process]) -> list[list[str]]:
    """Let them begin, and return the lines that each of them said once all are done."""
    outputs = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    assert [process.returncode for process in processes] == [0] * len(processes), outputs
    return [said.decode().splitlines() for said, _ in outputs]
