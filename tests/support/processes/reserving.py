"""`python -m tests.support.processes.reserving NAME COUNT`: a process that reserves in a window, and settles half.

It uses the database that its settings name, and begins once it gets a line. It makes COUNT reservations, many at once,
settles every second one that it is granted with less than was reserved, and prints what it did.
"""

import asyncio
import sys
from datetime import date

from activities.adapters.databases.open import open_database
from activities.adapters.sql.budget_windows import SqlBudgetWindows
from activities.ports import Granted
from activities.settings import load
from perdure.contracts.budget import Spend
from perdure.contracts.windows import WindowKey, WindowLimit

DAY = date(2026, 1, 1)
KEY = WindowKey(tenant="acme", day=DAY, workflow_id="acme:one", run_id="run", name="generate-1/1")
WORST = Spend(steps=1, input_tokens=100, micro_dollars=30)
ACTUAL = Spend(steps=1, input_tokens=60, micro_dollars=10)
LIMIT = WindowLimit(micro_dollars=1000)

AT_ONCE = 16


def key_of(name: str, number: int) -> WindowKey:
    """Return the key of a reservation."""
    return KEY.model_copy(update={"run_id": f"run-{name}", "name": f"generate-{number}/1"})


async def work(name: str, count: int) -> None:
    """Reserve and settle, `AT_ONCE` at the same time."""
    slots = asyncio.Semaphore(AT_ONCE)
    async with open_database(load()) as database:
        windows = SqlBudgetWindows(database)

        async def one(number: int) -> None:
            async with slots:
                key = key_of(name, number)
                if not isinstance(await windows.reserve(key, WORST, LIMIT), Granted):
                    print("short", number, flush=True)  # noqa: T201 - the starter counts
                elif number % 2:
                    await windows.settle(key, ACTUAL)
                    print("settled", number, flush=True)  # noqa: T201
                else:
                    print("reserved", number, flush=True)  # noqa: T201

        await asyncio.gather(*(one(number) for number in range(count)))


def main() -> None:
    """Wait for a line, then work."""
    print("ready", flush=True)  # noqa: T201
    sys.stdin.readline()
    asyncio.run(work(sys.argv[1], int(sys.argv[2])))


if __name__ == "__main__":
    main()
