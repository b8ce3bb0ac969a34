"""`python -m tests.bench.tokens.token_log`: whether token logs lose or repeat tokens, and their latency."""

import asyncio
import random
import secrets
import shutil
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.tokens.token_trials import Place, kills, latencies, reconnects
from tests.services.redis_server import REMEDY, redis_server

CONNECTIONS = 1000
KILLS = 50
PIECES = 300

METHOD = (
    "One process speaks through the TokenWriter, a word each 2 ms; another reads and compares each piece with what was "
    f"said. Reconnects: {CONNECTIONS} connections at random positions meanwhile. Kills: {KILLS} SIGKILLs while it "
    "speaks, each followed by another attempt, under a reader that reconnects all the time. Latency: from saying a "
    f"piece to reading it in the other process, {PIECES} pieces of one word each 60 ms."
)


async def main(console: Console, seed: int) -> None:
    """Measure and print. About three minutes on two cores."""
    console.print(METHOD)
    console.print(f"Seed {seed}.")
    table = Table(title="Token logs")
    table.add_column("")
    with ExitStack() as stack:
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="perdure-tokens-"))) for _ in range(2)]
        places = [Place("SQLite", folders[0])]
        if shutil.which("redis-server") is None:
            console.print(f"Redis is left out: redis-server is not on this machine; {REMEDY}.")
        else:
            places.append(Place("Redis", folders[1], stack.enter_context(redis_server(folders[1]))))
        columns: list[list[str]] = []
        for place in places:
            table.add_column(place.name, justify="right")
            columns.append(await _column(place, random.Random(seed)))  # noqa: S311 - a sample, not a secret
    for row in zip(_ROWS, *columns, strict=True):
        table.add_row(*row)
    console.print(table)


_ROWS = (
    "connections while it speaks",
    "  characters read",
    "  missing",
    "  duplicate",
    "  wrong",
    "  attempts not announced",
    "kills",
    "  connections",
    "  characters read",
    "  missing",
    "  duplicate",
    "  wrong",
    "  attempts not announced",
    "piece, writer to reader: p50, ms",
    "  p95, ms",
)


async def _column(place: Place, rng: random.Random) -> list[str]:
    reconnected = await reconnects(place, CONNECTIONS, rng)
    after_kills = await kills(place, KILLS, rng)
    times = await latencies(place, PIECES)
    figures = [
        *(
            reconnected.connections,
            reconnected.characters,
            reconnected.missing,
            reconnected.duplicate,
            reconnected.wrong,
            reconnected.unannounced,
        ),
        *(after_kills.kills, after_kills.connections),
        *(
            after_kills.characters,
            after_kills.missing,
            after_kills.duplicate,
            after_kills.wrong,
            after_kills.unannounced,
        ),
    ]
    p95 = statistics.quantiles(times, n=20, method="inclusive")[-1]
    return [*(f"{figure:,}" for figure in figures), f"{statistics.median(times):.1f}", f"{p95:.1f}"]


if __name__ == "__main__":
    asyncio.run(main(Console(), secrets.randbelow(10**6)))
