"""`perdure worker`: a worker of the platform, in the foreground."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Role(StrEnum):
    """What a worker does: the roles of `worker.py`, named here so that `--help` loads none of the platform."""

    WORKFLOWS = "workflows"
    RETRIEVAL = "retrieval"
    GUARDS = "guards"
    GENERATION = "generation"
    TOOLS = "tools"
    ALL = "all"


def worker(
    *,
    roles: Annotated[
        list[Role] | None, typer.Option("--role", help="What this worker does; may be repeated (default: all).")
    ] = None,
    alive: Annotated[
        Path | None, typer.Option("--alive", metavar="FILE", help="Touched every few seconds while it serves.")
    ] = None,
) -> None:
    """Start a worker on the Temporal server that TEMPORAL_ADDRESS names, and serve until Ctrl-C."""
    import worker as process

    process.main([*(f"--role={role.value}" for role in roles or ()), *([f"--alive={alive}"] if alive else [])])
    process.leave()
