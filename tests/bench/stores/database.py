"""The cost of the database in a paid step: the same stores over SQLite and over PostgreSQL, in turns, as ratios."""

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
"""The operations of a kind in each round that are made one after the other."""
AT_ONCE = 16
TOGETHER = 48
"""The operations of a kind in each round with `AT_ONCE` at the same time."""
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
    """The milliseconds of one operation on one database, round by round."""

    rounds: list[list[float]] = field(default_factory=list[list[float]])

    @property
    def every(self) -> list[float]:
        """The milliseconds of all rounds together."""
        return [duration for milliseconds in self.rounds for duration in milliseconds]


def operations(database: Database) -> dict[str, Operation]:
    """Return the measured operations by name."""
    replies, blobs = RegisteredReplies(database), SqlBlobs(database)
    stored: list[str] = []

    async def buy() -> None:
        key = KEY.model_copy(update={"run_id": uuid.uuid4().hex})
        generated = reply(f"{key.run_id} has been answered in a sentence or two.")
        await replies.begin(order(key, 1), Generated)
        await replies.save(
            order(key, 1), generated, Spend(steps=1), [] if generated.answer is None else [generated.answer]
        )

    async def put() -> None:
        stored.append(await blobs.put("acme", os.urandom(BODY)))

    async def get() -> None:
        await blobs.get("acme", stored[-1])

    return {"begin + save": buy, "put 4 KB": put, "get 4 KB": get}


async def databases(console: Console, rounds: int, advance: Callable[[], None]) -> None:
    """Measure and print. About half a minute on two cores."""
    console.print(METHOD)
    await measure(console, "Databases", operations, rounds, advance)


async def measure(
    console: Console,
    subject: str,
    timed: Callable[[Database], Mapping[str, Operation]],
    rounds: int,
    advance: Callable[[], None],
) -> None:
    """Measure the operations on both databases, in rounds as `METHOD` describes, and print."""
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
        for operations_of in measured.values():
            for operation in operations_of:
                await _milliseconds(operations_of, operation, 20, 4)
        times_by_database: dict[str, dict[str, Times]] = {name: {} for name in measured}
        for turn in range(rounds):
            names = list(measured)
            for name in names if turn % 2 else reversed(names):
                for operation in measured[name]:
                    for title, count, width in (("", SEQUENTIAL, 1), (f", {AT_ONCE}", TOGETHER, AT_ONCE)):
                        times = times_by_database[name].setdefault(operation + title, Times())
                        times.rounds.append(await _milliseconds(measured[name], operation, count, width))
            advance()
    _print(console, subject, times_by_database, rounds)


async def _milliseconds(operations: Mapping[str, Operation], name: str, count: int, width: int) -> list[float]:
    slots = asyncio.Semaphore(width)

    async def timed() -> float:
        async with slots:
            start = time.perf_counter()
            await operations[name]()
            return (time.perf_counter() - start) * 1000

    return list(await asyncio.gather(*(timed() for _ in range(count))))


def _print(console: Console, subject: str, times_by_database: Mapping[str, Mapping[str, Times]], rounds: int) -> None:
    base, *others = times_by_database
    versus = "".join(f"; ratio: {name} / {base}" for name in others)
    table = Table(title=f"{subject}: {rounds} interleaved rounds, p50 and p95 in ms{versus}")
    table.add_column("")
    for name in times_by_database:
        table.add_column(name, justify="right")
        table.add_column("p95", justify="right")
    for title in ("ratio", "least", "greatest") if others else ():
        table.add_column(title, justify="right")
    for operation in times_by_database[base]:
        cells: list[str] = []
        for times in (times_by_operation[operation] for times_by_operation in times_by_database.values()):
            cells += [f"{statistics.median(times.every):.1f}", f"{p95(times.every):.1f}"]
        for name in others:
            ratios = _ratios(times_by_database[name][operation].rounds, times_by_database[base][operation].rounds)
            cells += [f"{ratio:.2f}" for ratio in (statistics.median(ratios), min(ratios), max(ratios))]
        table.add_row(operation, *cells)
    console.print(table)


def _ratios(rounds: Sequence[Sequence[float]], base: Sequence[Sequence[float]]) -> list[float]:
    return [
        statistics.median(measured) / statistics.median(reference)
        for measured, reference in zip(rounds, base, strict=True)
    ]
