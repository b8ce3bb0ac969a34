"""The budget command shows an operator a tenant's daily window and its open reservations."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from activities.adapters.databases.open import open_database
from activities.adapters.sql.budget_windows import SqlBudgetWindows
from activities.settings import ROOT, Paths, Settings, environment_with
from perdure.contracts.windows import WindowLimit
from tests.support.processes.reserving import ACTUAL, KEY, WORST, key_of


def budget(state: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deploy.cli", "budget", *arguments],
        cwd=ROOT,
        env=environment_with(PERDURE_PATHS__STATE=str(state), **environment),
        capture_output=True,
        text=True,
        check=False,
    )


async def test_it_shows_limit_sums_and_open_reservations(tmp_path: Path) -> None:
    async with open_database(Settings(paths=Paths(state=tmp_path))) as database:
        windows = SqlBudgetWindows(database)
        for key in (KEY, key_of("two", 1)):
            await windows.reserve(key, WORST, WindowLimit())
        await windows.settle(key_of("two", 1), ACTUAL)
        [reservation] = await windows.open_reservations(KEY.tenant, KEY.day)
    day = KEY.day.isoformat()
    result = budget(
        tmp_path, *("--tenant", "acme", "--day", day), PERDURE_LIMITS__DAILY='{"micro_dollars": 1000, "steps": 2}'
    )
    assert result.stderr == ""
    assert result.stdout == (
        f"the tenant 'acme' on {day} (UTC)\n"
        "steps\t2\t1\t1\t0\n"
        "input_tokens\t-\t60\t100\t-\n"
        "output_tokens\t-\t0\t0\t-\n"
        "micro_dollars\t1,000\t10\t30\t960\n"
        "open reservations: 1\n"
        f"  {reservation.reserved_at:%H:%M:%S}  acme:one  generate-1/1  "
        "at most steps 1, input_tokens 100, micro_dollars 30\n"
    )


def test_a_day_without_a_limit_says_that_nothing_is_counted(tmp_path: Path) -> None:
    date_before = datetime.now(UTC).date()
    output = budget(tmp_path).stdout
    date_after = datetime.now(UTC).date()
    assert any(
        output.startswith(f"the tenant 'default' on {day} (UTC)\nno limit is set here")
        for day in (date_before, date_after)
    )
    assert "open reservations: none" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--tenant", "No Such"), "perdure: 'No Such' is no tenant: its name has lower-case letters"),
        (("--day", "yesterday"), "perdure: 'yesterday' is no day: write one such as "),
    ],
)
def test_what_cannot_be_used_is_one_line(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    result = budget(tmp_path, *arguments)
    assert result.returncode == 2
    assert result.stderr.startswith(message)
    assert len(result.stderr.splitlines()) == 1
