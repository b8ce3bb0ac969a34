"""Histories of an older version replay under this one with the same decisions."""

from pathlib import Path

import pytest
from temporalio.worker import Replayer

from tests.replay.histories import read
from workflows.plugin import WORKFLOWS, PerdurePlugin

OLDER = Path(__file__).with_name("before_the_registry")
"""Histories of the version without a registry of runs. Its effects had smaller inputs, which no replay compares."""


@pytest.mark.parametrize("path", sorted(OLDER.glob("*.json")), ids=lambda path: path.stem)
async def test_a_run_of_the_version_before_the_registry_goes_on(path: Path) -> None:
    replayer = Replayer(workflows=list(WORKFLOWS), plugins=[PerdurePlugin()])
    replayed = await replayer.replay_workflow(read(path), raise_on_replay_failure=False)
    assert replayed.replay_failure is None


def test_there_are_runs_that_have_waited_for_people_among_them() -> None:
    assert sum('"AwaitingApproval"' in path.read_text() for path in OLDER.glob("*.json")) > 1
