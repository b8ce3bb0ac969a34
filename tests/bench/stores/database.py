"""What the database costs a paid step: the same stores over SQLite and over PostgreSQL, in turns, as ratios."""

import asyncio
import os
import statistics
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from activities.adapters.databases.database import Database
from activities.adapters.databases.open import open_database
from activities.adapters.sql.blobs import SqlBlobs
from activities.settings import Database as DatabaseSettings
from activities.settings import Paths, Settings
from perdure.contracts.budget import Spend
from perdure.contracts.chains.steps import Generated
from tests.bench.paired import p95
from tests.services.postgres_server import installed, postgres_server
from tests.support.processes.storing import KEY, reply
from tests.support.stores.orders import RegisteredReplies, order

SEQUENTIAL = 15
"""Of each operation, one after the other, in each round."""
AT_ONCE = 16
TOGETHER = 48
"""Of each operation with `AT_ONCE` at the same time, in each round."""
BODY = 4096

METHOD = (
    "Database: begin and save of a paid reply with its text (two transactions), put and get of a body of 4 KB, through "
    "the stores of the platform in this process. Both databases sync each commit to the same disk; PostgreSQL listens "
    f"on loopback, its configuration is its own default. A round is {SEQUENTIAL} of each one after the other, then "
    f"{TOGETHER} with {AT_ONCE} at once, on one database and then on the other. A ratio is of one round's medians: "
    "shown are the median of all rounds, the least and the greatest."
)

Operation = Callable[[], Awaitable[object]]


@dataclass
class Times:
    """Milliseconds of one operation on one database, round by round."""

    rounds: list[list[float]] = field(default_factory=list[list[float]])

    @property
    def every(self) -> list[float]:
        """Of all rounds together."""
        return [one for milliseconds in self.rounds for one in milliseconds]


def operations(database: Database) -> dict[str, Operation]:
    """What is measured, by its name."""
    replies, blobs = RegisteredReplies(database), SqlBlobs(database)
    stored: list[str] = []

    async def buy() -> None:
        key = KEY.model_copy(update={"run_id": uuid.uuid4().hex})
        bought = reply(f"{key.run_id} has been answered in a sentence or two.")
        await replies.begin(order(key, 1), Generated)
        await replies.save(order(key, 1), bought, Spend(steps=1), [] if bought.answer is None else [bought.answer])

    async def put() -> None:
        stored.append(await blobs.put("acme", os.urandom(BODY)))

    async def get() -> None:
        await blobs.get("acme", stored[-1])

    return {"begin + save": buy, "put 4 KB": put, "get 4 KB": get}


async def databases(console: Console, rounds: int, done: Callable[[], None]) -> None:
    """Measure and print. About half a minute on two cores."""
    console.print(METHOD)
    await measure(console, "Databases", operations, rounds, done)


async def measure(
    console: Console,
    subject: str,
    timed: Callable[[Database], Mapping[str, Operation]],
    rounds: int,
    done: Callable[[], None],
) -> None:
    """Measure these operations on both databases, in rounds as `METHOD` says, and print."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="perdure-database-")))
        named = {"SQLite": Settings(paths=Paths(state=folder))}
        if installed():
            url = stack.enter_context(postgres_server(synced=True)).new_database()
            named["PostgreSQL"] = Settings(database=DatabaseSettings(postgres=SecretStr(url)))
        else:
            console.print("PostgreSQL is not on this machine: SQLite alone is measured.")
        measured = {
            name: timed(await stack.enter_async_context(open_database(settings))) for name, settings in named.items()
        }
        for each in measured.values():
            for operation in each:
                await _milliseconds(each, operation, 20, 4)
        found: dict[str, dict[str, Times]] = {name: {} for name in measured}
        for turn in range(rounds):
            names = list(measured)
            for name in names if turn % 2 else reversed(names):
                for operation in measured[name]:
                    for title, count, width in (("", SEQUENTIAL, 1), (f", {AT_ONCE}", TOGETHER, AT_ONCE)):
                        times = found[name].setdefault(operation + title, Times())
                        times.rounds.append(await _milliseconds(measured[name], operation, count, width))
            done()
    _print(console, subject, found, rounds)


async def _milliseconds(of: Mapping[str, Operation], name: str, count: int, width: int) -> list[float]:
    slots = asyncio.Semaphore(width)

    async def timed() -> float:
        async with slots:
            began = time.perf_counter()
            await of[name]()
            return (time.perf_counter() - began) * 1000

    return list(await asyncio.gather(*(timed() for _ in range(count))))


def _print(console: Console, subject: str, found: Mapping[str, Mapping[str, Times]], rounds: int) -> None:
    base, *others = found
    versus = "".join(f"; ratio: {name} / {base}" for name in others)
    table = Table(title=f"{subject}: {rounds} interleaved rounds, p50 and p95 in ms{versus}")
    table.add_column("")
    for name in found:
        table.add_column(name, justify="right")
        table.add_column("p95", justify="right")
    for title in ("ratio", "least", "greatest") if others else ():
        table.add_column(title, justify="right")
    for operation in found[base]:
        cells: list[str] = []
        for times in (one[operation] for one in found.values()):
            cells += [f"{statistics.median(times.every):.1f}", f"{p95(times.every):.1f}"]
        for name in others:
            ratios = _ratios(found[name][operation].rounds, found[base][operation].rounds)
            cells += [f"{ratio:.2f}" for ratio in (statistics.median(ratios), min(ratios), max(ratios))]
        table.add_row(operation, *cells)
    console.print(table)


def _ratios(some: Sequence[Sequence[float]], base: Sequence[Sequence[float]]) -> list[float]:
    return [statistics.median(one) / statistics.median(other) for one, other in zip(some, base, strict=True)]
