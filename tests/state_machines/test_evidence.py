"""In any order of attempts, denials and resets, a call is written at most once, and never after it was denied."""

import secrets
from pathlib import Path
from typing import Any

import pytest

from activities.adapters.sql import ledger_rules
from activities.ports import Fresh
from tests.state_machines.trials.evidence_trial import Broken, open_trials, trials

SAMPLE = 60
KNOWN = 1
"""The seed of trials that soon find the mistake below."""


@pytest.mark.parametrize("seed", [KNOWN, secrets.randbelow(10**9)], ids=["known", "drawn"])
async def test_nothing_is_written_twice_nor_after_the_run_was_told_that_it_is_not(tmp_path: Path, seed: int) -> None:
    database = open_trials(tmp_path)
    counts = await trials(SAMPLE, seed, database)
    await database.dispose()
    kinds = {what.split(",")[0] for what in counts}
    assert {"written", "returned", "tool_changed", "denied"} <= kinds, "the sample holds each kind of end"


async def test_the_trial_sees_a_forgoing_that_is_not_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = ledger_rules.forgo

    def forgotten(*arguments: Any) -> Any:
        answer, entries = written(*arguments)
        return answer, [] if isinstance(answer, Fresh) else entries

    monkeypatch.setattr(ledger_rules, "forgo", forgotten)
    database = open_trials(tmp_path)
    with pytest.raises(Broken, match="not happened, and it was written"):
        await trials(200, KNOWN, database)
    await database.dispose()
