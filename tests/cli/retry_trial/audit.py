"""The audit of retried runs: the model's bill against the platform's records and the kills of the worker."""

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from perdure.client import workflow_id
from perdure.contracts.budget import Spend
from perdure.testing.bill import Bill, BilledCall
from tests.chaos.equipment.ledger import Attempt, SqliteAttempts


@dataclass(frozen=True)
class Purchases:
    """The replies of all runs."""

    bought_again: Mapping[tuple[str, int], int]
    """How often the reply of a turn was bought, for each turn bought more than once without a kill as the reason."""
    lost: int
    """Replies that were lost: the worker was killed before it had saved them."""


def audit_replies(bill: Bill, state: Path, tenant: str, runs: Sequence[str], kills: Sequence[float]) -> Purchases:
    """Count what was bought. Fails for a call of the model without an attempt recorded before it.

    `kills` are the moments of the kills, in seconds of the epoch.
    """
    attempts, counted, lost = SqliteAttempts(state), Counter[tuple[str, int]](), 0
    for run in runs:
        recorded = sorted(attempts.of(workflow_id(tenant, run)), key=lambda attempt: attempt.begun)
        billed_calls = sorted(bill.calls(run), key=lambda call: (call.turn, call.at))
        for turn, calls in groupby(billed_calls, key=lambda call: call.turn):
            step_attempts = [attempt for attempt in recorded if attempt.step == f"think-{turn}"]
            answered_counts = _count_answered(step_attempts, list(calls), kills)
            counted[run, turn] = sum(answered_counts)
            lost += len(answered_counts) - sum(answered_counts)
    return Purchases({turn: count for turn, count in counted.items() if count > 1}, lost)


def _count_answered(attempts: Sequence[Attempt], calls: Sequence[BilledCall], kills: Sequence[float]) -> list[bool]:
    """Return for each answered call whether it counts; a call that a kill cut off does not."""
    counts: list[bool] = []
    indexes: list[int] = []
    for call in calls:
        earlier = [index for index, candidate in enumerate(attempts) if candidate.begun <= call.at]
        assert earlier, f"{call.run}: turn {call.turn} was called before an attempt was recorded"
        index = earlier[-1]
        indexes.append(index)
        if call.met == "answered":
            attempt = attempts[index]
            next_begun = attempts[index + 1].begun if index + 1 < len(attempts) else float("inf")
            counts.append(attempt.reply is not None or not any(attempt.begun <= kill < next_begun for kill in kills))
    assert len(set(indexes)) == len(indexes), f"an attempt has called the model twice: {calls} {attempts}"
    return counts


@dataclass(frozen=True)
class Amounts:
    """The money of all runs, in micro-dollars."""

    settled: int
    billed: int
    held: int
    """The amount reserved by attempts whose cost is unknown."""


def audit_money(bill: Bill, state: Path, tenant: str, runs: Sequence[str]) -> Amounts:
    """Fail where a run's account is wrong: it must hold settled <= bill <= settled + reserved by unknown attempts.

    The account limits a run, not its history: a workflow that was reset does not know what it spent after that point.
    """
    settled, held, billed = Spend(), Spend(), Spend()
    accounts = _accounts(state, tenant)
    for run in runs:
        (known, unknown), run_bill = accounts[workflow_id(tenant, run)], bill.spend(run)
        for limit in ("input_tokens", "output_tokens", "micro_dollars"):
            least, billed_amount, most = (getattr(spend, limit) for spend in (known, run_bill, known + unknown))
            assert least <= billed_amount <= most, f"{run}: {limit}: {least} <= {billed_amount} <= {most}"
        settled, held, billed = settled + known, held + unknown, billed + run_bill
    return Amounts(settled.micro_dollars, billed.micro_dollars, held.micro_dollars)


def _accounts(state: Path, tenant: str) -> dict[str, tuple[Spend, Spend]]:
    """Return the settled and the reserved amounts by workflow id."""
    query = """
        select workflow_id, settled, reserved from accounts natural join (select tenant, run_id, workflow_id from runs)
        where tenant = ?
    """
    with closing(sqlite3.connect(f"file:{state / 'perdure.db'}?mode=ro", uri=True, timeout=20)) as database:
        return {
            str(name): (Spend.model_validate_json(settled), Spend.model_validate_json(reserved))
            for name, settled, reserved in database.execute(query, (tenant,))
        }
