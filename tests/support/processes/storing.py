"""`python -m tests.support.processes.storing NAME COUNT`: a process that stores bodies and saves replies.

It uses the database that its settings name, begins once it gets a line, and prints a line for each thing that was
acknowledged. Several of them, named by numbers, compete for one step: each buys, whoever was first.
"""

import asyncio
import sys
from collections.abc import Iterable

from activities.adapters.databases.open import open_database
from activities.adapters.sql.blobs import SqlBlobs
from activities.settings import load
from perdure.contracts.budget import Spend
from perdure.contracts.chains.steps import Generated, StepKey
from perdure.contracts.text import Text
from tests.support.stores.orders import RegisteredReplies, order

KEY = StepKey(tenant="acme", workflow_id="acme:one", run_id="run", step="shared")
"""The number of the step for which all of them buy."""

AT_ONCE = 16


def body(name: int, number: int) -> bytes:
    """Return a body that a process stores."""
    return f"{name} {number}".encode() * 50


def attempt(name: int, number: int) -> int:
    """Return the number of a process's attempt at the shared step."""
    return 1 + name * 100_000 + number


def key_of(name: int, number: int) -> StepKey:
    """Return the key of a process's own step."""
    return KEY.model_copy(update={"step": f"of-{name}-{number}"})


def reply(answer: str) -> Generated:
    """Return the reply that a process buys."""
    return Generated(
        charges={}, answer=Text.of(answer), citations=(), model="stub", finish_reason="stop", prompt_digest="0" * 64
    )


async def work(name: int, numbers: Iterable[int]) -> None:
    """Store, buy and save, `AT_ONCE` at the same time."""
    slots = asyncio.Semaphore(AT_ONCE)
    async with open_database(load()) as database:
        blobs, replies = SqlBlobs(database), RegisteredReplies(database)

        async def one(number: int) -> None:
            async with slots:
                await blobs.put("acme", body(name, number))
                print("stored", number, flush=True)  # noqa: T201 - the starter counts what was acknowledged
                for key, mine in ((key_of(name, number), 1), (KEY, attempt(name, number))):
                    first = await replies.begin(order(key, mine), Generated)
                    if first is None:
                        bought = reply(f"by {name} {number}")
                        charge = Spend(steps=1, micro_dollars=mine)
                        first = await replies.save(order(key, mine), bought, charge, [Text.of(f"{mine}")])
                assert first.answer is not None
                print("saved", number, first.answer.digest, flush=True)  # noqa: T201

        await asyncio.gather(*(one(number) for number in numbers))


def main() -> None:
    """Wait for a line, then work."""
    name, count = (int(argument) for argument in sys.argv[1:])
    print("ready", flush=True)  # noqa: T201
    sys.stdin.readline()
    asyncio.run(work(name, range(count)))


if __name__ == "__main__":
    main()
