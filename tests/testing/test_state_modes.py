"""A state folder that a whole stack has really used is its owner's alone, and holds nothing that no page names."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from activities.settings import ROOT, environment_with
from activities.settings.state_folder import PLACES, exposed
from perdure import Answered
from perdure.testing import Checkout, embedded_stack

pytestmark = pytest.mark.chaos


async def test_what_a_stack_writes_is_its_owners_alone(checkout: Checkout, knowledge: Path, tmp_path: Path) -> None:
    state, before = tmp_path / "state", os.umask(0o022)
    try:
        with embedded_stack(checkout, state=state, documents=knowledge) as stack:
            async with await stack.platform() as platform:
                result = await platform.ask("How many weeks of parental leave are paid in full?")
            assert isinstance(result.outcome, Answered)
            assert list(exposed(state)) == []
            written = [path for path in state.rglob("*") if not path.is_socket()]
            backup = tmp_path / "backup"
            back_up(state, backup)
    finally:
        os.umask(before)
    names = {path.relative_to(state).parts[0] for path in written}
    assert {"perdure.db", "temporal.db", "tokens.db", "index", "logs"} <= names
    assert {"perdure.db-wal", "temporal.db-wal"} & names
    assert {path.stat().st_mode & 0o777 for path in written if path.is_file()} <= {0o600}
    assert {name for name in names if not any(name == each or name.startswith(f"{each}-") for each in PLACES)} == set()
    assert stat.S_IMODE(backup.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in backup.iterdir()} == {0o600}


def back_up(state: Path, folder: Path) -> None:
    """Back up as an operator does, by the command."""
    command = [sys.executable, "-m", "deploy.local", "backup", str(folder)]
    environment = environment_with(PERDURE_PATHS__STATE=str(state))
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=120)
