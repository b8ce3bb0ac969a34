"""The cost of the intent ledger for a tool call and of a budget window for a paid attempt, on both databases."""

import uuid
from collections.abc import Callable
from datetime import date

from rich.console import Console

from activities.adapters.databases.database import Database
from activities.adapters.sql.budget_windows import SqlBudgetWindows
from activities.adapters.sql.effect_ledger import SqlEffectLedger
from activities.ports import Fresh, Granted
from perdure.contracts.budget import Spend
from perdure.contracts.chains.steps import StepKey
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.ledger import IntendedCall, Succeeded
from perdure.contracts.windows import WindowKey, WindowLimit
from tests.bench.stores.database import AT_ONCE, SEQUENTIAL, TOGETHER, Operation, measure

CALL = IntendedCall(tool="send_message", tool_digest="1" * 64, arguments_digest="2" * 64)
DAY = date(2026, 1, 1)
WORST, ACTUAL = Spend(steps=1, micro_dollars=300), Spend(steps=1, micro_dollars=100)

METHOD = (
    "Ledger: intend and record of a call with the text of its result (two transactions), each call with a key of its "
    "own; reserve and settle (two transactions) in the window of one tenant and day, and in one of each attempt's own: "
    "the former are done one after the other, whoever asks. Both databases sync each commit to the same disk. A round "
    f"is {SEQUENTIAL} of each one after the other, then {TOGETHER} with {AT_ONCE} at once, on one database and then on "
    "the other; ratios are as those of the databases."
)


def operations(database: Database) -> dict[str, Operation]:
    """Return the measured operations by name."""
    ledger, windows = SqlEffectLedger(database), SqlBudgetWindows(database)

    async def call() -> None:
        key = StepKey(tenant="bench", workflow_id="bench:1", run_id=uuid.uuid4().hex, step="call-1")
        assert isinstance(await ledger.intend(key, 1, CALL), Fresh)
        await ledger.record(key, 1, Succeeded(result=Text.of(f"Sent, as message {key.run_id} of the channel.")))

    async def spend(tenant: str) -> None:
        run_id = uuid.uuid4().hex
        key = WindowKey(tenant=tenant, day=DAY, workflow_id="bench:1", run_id=run_id, name="generate-1/1")
        assert isinstance(await windows.reserve(key, WORST, WindowLimit(micro_dollars=10**12)), Granted)
        await windows.settle(key, ACTUAL)

    async def spend_together() -> None:
        await spend("bench")

    async def spend_apart() -> None:
        await spend(uuid.uuid4().hex)

    return {
        "intend + record": call,
        "reserve + settle": spend_together,
        "  windows apart": spend_apart,
    }


async def ledger(console: Console, rounds: int, advance: Callable[[], None]) -> None:
    """Measure and print. About half a minute on two cores."""
    console.print(METHOD)
    await measure(console, "Ledger and windows", operations, rounds, advance)
