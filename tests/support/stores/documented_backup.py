"""The commands of `deploy/BACKUP.md` for PostgreSQL, run exactly as written there."""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from activities.settings import ROOT
from tests.services.postgres_server import PostgresServer, client_programs

OURS = "PERDURE_DATABASE__POSTGRES"
TEMPORALS = ("TEMPORAL_POSTGRES", "TEMPORAL_VISIBILITY_POSTGRES")
"""The document's placeholders for the addresses of the three databases."""

_PRODUCTION = (ROOT / "deploy" / "BACKUP.md").read_text().split("## In production\n")[1]
DUMP, RESTORE = (
    block.strip().splitlines() for block in re.findall(r"^```\n(.*?)^```", _PRODUCTION, re.MULTILINE | re.DOTALL)
)
"""The commands of the document's two blocks, one a line."""


def databases(server: PostgresServer) -> dict[str, str]:
    """Return three empty databases, by the document's placeholders for their addresses."""
    return {name: server.new_database() for name in (OURS, *TEMPORALS)}


def run_command(command: str, addresses: Mapping[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of the document in the folder of the dumps."""
    path = f"{client_programs()}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["sh", "-euc", command],
        cwd=folder,
        env={**os.environ, **addresses, "PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def run_commands(commands: list[str], addresses: Mapping[str, str], folder: Path) -> None:
    """Run commands of the document in their order; each has to succeed."""
    for command in commands:
        result = run_command(command, addresses, folder)
        assert result.returncode == 0, f"{command}: {result.stderr}"
