"""`python -m tests.bench`: what the platform costs over the bare SDK, and how soon a worker is ready. As ratios."""

import argparse
import asyncio
import functools
import secrets
import sys
import tempfile
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from deploy.local.errors import DeployError
from tests.bench import live, report, rounds, token_log
from tests.bench.contenders import RAW, platform, serving
from tests.bench.database import databases
from tests.bench.first_token import first_token
from tests.bench.ledger import ledger
from tests.bench.prefix_cache import prefix_cache
from tests.bench.startup import ROLES, times_to_ready

CONTENDERS = (platform("platform", traces=False), platform("with traces", traces=True), RAW)

Measure = Callable[[Console, int, Callable[[], None]], Coroutine[None, None, None]]
"""Measures so many runs, says when each is done, and prints."""

LIVE: dict[str, Measure] = {
    "refusal": live.refusals,
    "guards": live.guards_on_and_off,
    "first-token": first_token,
}
ALL = ("chain", "starts", *LIVE, "prefix", "tokens", "database", "ledger")

METHOD = (
    "Chain: the platform as worker.py composes it, all roles in one process, with model, store, embedder and guards "
    "stubbed in that process at 0 ms (no HTTP). The chain's file, queues, heartbeats, spans, the SQLite blob store and "
    "the saved replies are the real ones. With traces: the worker writes its spans to a file.\n"
    "Raw SDK: five no-op activities in four hops, one task queue, pydantic models, texts inline.\n"
    "Each has its own server (SQLite in WAL mode) and worker process; this one is the client. A round is "
    f"{rounds.SEQUENTIAL} runs one after the other, then {rounds.TOGETHER} with {rounds.IN_FLIGHT} in flight; CPU and "
    "history are of the former. A ratio is of one round: shown are the median of all rounds, the least and the "
    "greatest. The machine may be busy: compare ratios, not milliseconds."
)


@contextmanager
def _bar(title: str, total: int) -> Generator[tuple[Progress, TaskID]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), refresh_per_second=4) as progress:
        yield progress, progress.add_task(title, total=total)


def _chain(console: Console, folder: Path, turns: int) -> None:
    with ExitStack() as stack:
        running = [
            stack.enter_context(serving(contender, folder / f"contender-{number}"))
            for number, contender in enumerate(CONTENDERS)
        ]
        with _bar("rounds", turns * len(running)) as (progress, task):
            found = asyncio.run(rounds.compete(running, turns, lambda: progress.advance(task)))
    report.compare(console, found, RAW.name)


def _starts(console: Console, folder: Path, repeats: int) -> None:
    state = folder / "starts"
    # The raw contender's server has no other worker that listens on the platform's queues.
    with serving(RAW, state) as running, _bar("worker starts", repeats * len(ROLES) + 1) as (progress, task):
        found = times_to_ready(running.address, state, repeats, lambda: progress.advance(task))
    report.starts(console, found)


def _live(console: Console, measure: Measure, title: str, runs: int) -> None:
    with _bar(title, runs) as (progress, task):
        asyncio.run(measure(console, runs, functools.partial(progress.advance, task)))


def _names(given: str) -> frozenset[str]:
    names = frozenset(given.split(","))
    if unknown := sorted(names - set(ALL)):
        raise argparse.ArgumentTypeError(f"there is no {', '.join(map(repr, unknown))}: choose from {','.join(ALL)}")
    return names


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print. About twelve minutes on two cores."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", type=_names, default=frozenset(ALL), help=f"some of {','.join(ALL)} (default: all)")
    parser.add_argument("--rounds", type=int, default=8, help="rounds of the chain (default: 8; 0 for none)")
    parser.add_argument("--starts", type=int, default=2, help="starts of each role (default: 2; 0 for none)")
    parser.add_argument("--live", type=int, default=30, help="runs of each live measurement (default: 30; 0 for none)")
    parser.add_argument("--prefix", type=int, default=4, help="pairs of the prefix cache (default: 4; 0 for none)")
    parser.add_argument("--tokens", type=int, default=1, help="1 to measure the token logs (default), 0 not to")
    parser.add_argument("--database", type=int, default=20, help="rounds of the databases (default: 20; 0 for none)")
    parser.add_argument("--ledger", type=int, default=20, help="rounds of the ledger (default: 20; 0 for none)")
    given = parser.parse_args(arguments)
    console = Console()
    with tempfile.TemporaryDirectory(prefix="perdure-bench-") as name:
        try:
            _measure(console, Path(name), given)
        except DeployError as error:
            sys.exit(f"bench: {error}")


def _measure(console: Console, folder: Path, given: argparse.Namespace) -> None:
    only: frozenset[str] = given.only
    if "chain" in only and given.rounds:
        console.print(METHOD)
        _chain(console, folder, given.rounds)
    if "starts" in only and given.starts:
        _starts(console, folder, given.starts)
    if given.live and not only.isdisjoint(LIVE):
        console.print(live.METHOD)
        for title, measure in LIVE.items():
            if title in only:
                _live(console, measure, title, given.live)
    if "prefix" in only and given.prefix:
        _live(console, prefix_cache, "prefix", given.prefix)
    if "tokens" in only and given.tokens:
        asyncio.run(token_log.main(console, secrets.randbelow(10**6)))
    if "database" in only and given.database:
        _live(console, databases, "databases", given.database)
    if "ledger" in only and given.ledger:
        _live(console, ledger, "ledger", given.ledger)


if __name__ == "__main__":
    main()
