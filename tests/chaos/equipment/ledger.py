"""The audit of paid steps from outside the platform: the model's calls against the recorded attempts."""

import math
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, cast

import psycopg
from psycopg.rows import tuple_row

from activities.adapters.model_servers.catalogue import CatalogueFile
from activities.settings import Paths
from perdure.contracts.budget import Budget, Spend
from perdure.contracts.runs.run import Answered, RunResult
from tests.support.servers.stub_model import INPUT_TOKENS, OUTPUT_TOKENS

PRICES = CatalogueFile(Paths().catalogue, {}).entry("fast").prices
"""The prices of the catalogue, which a run pins when it starts."""


@dataclass(frozen=True)
class Attempt:
    """One row of the platform's table of paid attempts."""

    step: str
    number: int
    begun: float
    """Seconds since the epoch."""
    charge: str | None
    reply: str | None


Row = tuple[str, int, str, str | None, str | None]


class Attempts(ABC):
    """The table of paid attempts, read while the worker writes it."""

    def of(self, workflow_id: str) -> list[Attempt]:
        """Return a run's attempts in the order in which they began; none if the table does not exist yet."""
        return [
            Attempt(step, number, datetime.fromisoformat(begun).timestamp(), charge, reply)
            for step, number, begun, charge, reply in self._rows(workflow_id)
        ]

    @abstractmethod
    def _rows(self, workflow_id: str) -> list[Row]: ...


class SqliteAttempts(Attempts):
    """The table in the SQLite file of a state folder."""

    def __init__(self, state: Path) -> None:
        self._file = state / "perdure.db"

    def _rows(self, workflow_id: str) -> list[Row]:
        with closing(sqlite3.connect(f"file:{self._file}?mode=ro", uri=True, timeout=20)) as connection:
            try:
                return connection.execute(f"{_ROWS} WHERE workflow_id = ? {_ORDER}", (workflow_id,)).fetchall()
            except sqlite3.OperationalError:
                return []


class PostgresAttempts(Attempts):
    """The table on a PostgreSQL server. One connection serves all looks: there is one every millisecond."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True, row_factory=tuple_row)

    def _rows(self, workflow_id: str) -> list[Row]:
        try:
            query = f"{_ROWS} WHERE workflow_id = %s {_ORDER}"
            return cast("list[Row]", self._connection.execute(query.encode(), (workflow_id,)).fetchall())
        except psycopg.errors.UndefinedTable:
            return []

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


_ROWS: Final = "SELECT step, attempt, begun_at, charge, reply FROM paid_attempts"
_ORDER: Final = "ORDER BY begun_at, attempt"


def bill(calls: int) -> Spend:
    """Return the price of that many model calls, whether their replies were saved or not."""
    price = PRICES.of(input_tokens=INPUT_TOKENS, output_tokens=OUTPUT_TOKENS)
    call_price = Spend(steps=1, input_tokens=INPUT_TOKENS, output_tokens=OUTPUT_TOKENS, micro_dollars=price)
    return sum([call_price] * calls, Spend())


def audit(result: RunResult, attempts: Sequence[Attempt], calls: Sequence[float], budget: Budget) -> None:
    """Fail where a run broke a promise: it answers, buys no saved reply twice, and knows what it owes."""
    assert isinstance(result.outcome, Answered), result.outcome

    assert len(calls) <= len(attempts), f"a call without a recorded attempt: {calls} {attempts}"
    replied = [attempt for attempt in attempts if attempt.reply is not None]
    steps = [
        [attempt for attempt in attempts if attempt.step == step]
        for step in dict.fromkeys(attempt.step for attempt in attempts)
    ]
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        [replying] = [attempt for attempt in step if attempt.reply is not None] or [None]
        assert replying is not None, f"nothing was bought: {step}"
        assert replying == step[-1], f"an attempt was begun after a reply was saved: {step}"
        next_begun = following[0].begun if following else math.inf
        calls_of_reply = [call for call in calls if replying.begun <= call < next_begun]
        assert len(calls_of_reply) == 1, f"the attempt that replied made {len(calls_of_reply)} calls"

    run_bill, settled, possible = bill(len(calls)), result.spent, result.spent + result.unsettled
    for field in ("input_tokens", "output_tokens", "micro_dollars"):
        known, billed_amount, most = getattr(settled, field), getattr(run_bill, field), getattr(possible, field)
        assert known <= billed_amount <= most <= getattr(budget, field), (
            f"{field}: {known} <= {billed_amount} <= {most}"
        )
    assert settled.steps == len(replied), settled
    assert run_bill.steps <= possible.steps <= budget.steps, (run_bill, possible)
    # Each lost attempt keeps its reservation unsettled.
    assert result.unsettled.steps >= len(attempts) - len(steps), (result.unsettled, attempts)
