"""What retried runs have bought, from the model's bill, against what the platform recorded and against the kills."""

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
class Bought:
    """The replies of all runs."""

    again: Mapping[tuple[str, int], int]
    """Turns whose reply was bought twice although no worker was killed over it, with how often."""
    in_vain: int
    """Replies that nobody heard: the worker that had asked for them was killed before it had saved them."""


def audit_replies(bill: Bill, state: Path, tenant: str, runs: Sequence[str], kills: Sequence[float]) -> Bought:
    """Count what was bought. Fails for a call of the model without an attempt recorded before it.

    `kills` are the moments of the kills, in seconds of the epoch.
    """
    attempts, counted, in_vain = SqliteAttempts(state), Counter[tuple[str, int]](), 0
    for run in runs:
        recorded = sorted(attempts.of(workflow_id(tenant, run)), key=lambda one: one.begun)
        made = sorted(bill.calls(run), key=lambda call: (call.turn, call.at))
        for turn, calls in groupby(made, key=lambda call: call.turn):
            step = [one for one in recorded if one.step == f"think-{turn}"]
            bought = _bought(step, list(calls), kills)
            counted[run, turn] = sum(bought)
            in_vain += len(bought) - sum(bought)
    return Bought({turn: count for turn, count in counted.items() if count > 1}, in_vain)


def _bought(attempts: Sequence[Attempt], calls: Sequence[BilledCall], kills: Sequence[float]) -> list[bool]:
    """Of each call that was answered, whether it counts; one that was cut off by a kill counts for nothing."""
    counts: list[bool] = []
    places: list[int] = []
    for call in calls:
        before = [place for place, one in enumerate(attempts) if one.begun <= call.at]
        assert before, f"{call.run}: turn {call.turn} was called before an attempt was recorded"
        place = before[-1]
        places.append(place)
        if call.met == "answered":
            own = attempts[place]
            until = attempts[place + 1].begun if place + 1 < len(attempts) else float("inf")
            counts.append(own.reply is not None or not any(own.begun <= kill < until for kill in kills))
    assert len(set(places)) == len(places), f"an attempt has called the model twice: {calls} {attempts}"
    return counts


@dataclass(frozen=True)
class Owed:
    """The money of all runs, in micro-dollars."""

    settled: int
    billed: int
    held: int
    """Of attempts of which nobody knows what they cost."""


def audit_money(bill: Bill, state: Path, tenant: str, runs: Sequence[str]) -> Owed:
    """Fail where a run's account is not in order: settled <= bill <= settled + what unknown attempts hold.

    The account is what a run is held to: a workflow that was reset does not know what it spent after that point.
    """
    settled, held, billed = Spend(), Spend(), Spend()
    accounts = _accounts(state, tenant)
    for run in runs:
        (known, unknown), owed = accounts[workflow_id(tenant, run)], bill.spend(run)
        for limit in ("input_tokens", "output_tokens", "micro_dollars"):
            least, due, most = (getattr(one, limit) for one in (known, owed, known + unknown))
            assert least <= due <= most, f"{run}: {limit}: {least} <= {due} <= {most}"
        settled, held, billed = settled + known, held + unknown, billed + owed
    return Owed(settled.micro_dollars, billed.micro_dollars, held.micro_dollars)


def _accounts(state: Path, tenant: str) -> dict[str, tuple[Spend, Spend]]:
    """What is settled and what is held, by the id of the run's workflow."""
    query = """
        select workflow_id, settled, reserved from accounts natural join (select tenant, run_id, workflow_id from runs)
        where tenant = ?
    """
    with closing(sqlite3.connect(f"file:{state / 'perdure.db'}?mode=ro", uri=True, timeout=20)) as database:
        return {
            str(name): (Spend.model_validate_json(settled), Spend.model_validate_json(reserved))
            for name, settled, reserved in database.execute(query, (tenant,))
        }
