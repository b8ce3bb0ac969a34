"""`python -m tests.bench`: the platform's cost over the bare SDK and a worker's time to ready, as ratios."""

import argparse
import asyncio
import functools
import secrets
import sys
import tempfile
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from deploy.processes.errors import DeployError
from deploy.sglang.install import is_installed
from tests.bench import live, report, rounds
from tests.bench.agents.agent import agent
from tests.bench.agents.agent import steps as agent_steps
from tests.bench.agents.long_runs import calls as long_calls
from tests.bench.agents.long_runs import long_runs
from tests.bench.budget import budget_trials
from tests.bench.contenders import RAW, platform, serving
from tests.bench.decisions import decisions
from tests.bench.guard_processes import guard_processes
from tests.bench.model_port import model_port, steps
from tests.bench.prefix_cache import prefix_cache
from tests.bench.startup import ROLES, times_to_ready
from tests.bench.stores import stores
from tests.bench.stores.database import databases
from tests.bench.stores.ledger import ledger
from tests.bench.tokens import token_log
from tests.bench.tokens.first_token import first_token

CONTENDERS = (platform("platform", traces=False), platform("with traces", traces=True), RAW)

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
            rounds_by_contender = asyncio.run(rounds.compete(running, turns, lambda: progress.advance(task)))
    report.compare(console, rounds_by_contender, RAW.name)


def _starts(console: Console, folder: Path, repeats: int) -> None:
    state = folder / "starts"
    # The raw contender's server has no other worker on the platform's task queues.
    with serving(RAW, state) as running, _bar("worker starts", repeats * len(ROLES) + 1) as (progress, task):
        seconds_by_role = times_to_ready(running.address, state, repeats, lambda: progress.advance(task))
    report.starts(console, seconds_by_role)


Counted = Callable[[Console, int, Callable[[], None]], Coroutine[None, None, None]]
"""Measures this many runs, reports each one's end, and prints."""


def _counted(title: str, measure: Counted) -> Callable[[Console, Path, int], None]:
    def run(console: Console, _: Path, runs: int) -> None:
        with _bar(title, runs) as (progress, task):
            asyncio.run(measure(console, runs, functools.partial(progress.advance, task)))

    return run


def _live(title: str, measure: Counted) -> Callable[[Console, Path, int], None]:
    def run(console: Console, folder: Path, runs: int) -> None:
        console.print(live.METHOD)
        _counted(title, measure)(console, folder, runs)

    return run


def _model(console: Console, pairs: int, *, sglang: bool) -> None:
    with _bar("model", steps(pairs, sglang=sglang)) as (progress, task):
        asyncio.run(model_port(console, pairs, functools.partial(progress.advance, task), sglang=sglang))


def _agent(console: Console, folder: Path, turns: int) -> None:
    with _bar("agents", agent_steps(turns)) as (progress, task):
        agent(console, folder, turns, lambda: progress.advance(task))


def _long(console: Console, folder: Path, _: int) -> None:
    with _bar("calls of long runs", long_calls()) as (progress, task):
        long_runs(console, folder, lambda: progress.advance(task))


def _stores(console: Console, folder: Path, _: int) -> None:
    asyncio.run(stores.measure(console, folder, secrets.randbelow(10**6)))


def _tokens(console: Console, _: Path, __: int) -> None:
    asyncio.run(token_log.main(console, secrets.randbelow(10**6)))


@dataclass(frozen=True)
class Part:
    """One measurement."""

    runs: int
    """The number of `unit` to measure, unless `--runs` is given."""
    unit: str
    measure: Callable[[Console, Path, int], None]


PARTS = {
    "chain": Part(8, "rounds", _chain),
    "starts": Part(2, "starts of each role", _starts),
    "agent": Part(5, "rounds", _agent),
    "long": Part(1, "series of 300 and 1,000 model calls", _long),
    "refusal": Part(30, "runs", _live("refusals", live.refusals)),
    "guards": Part(30, "pairs", _live("guards on and off", live.guards_on_and_off)),
    "guard-processes": Part(300, "pairs", _counted("guards in processes", guard_processes)),
    "first-token": Part(30, "pairs", _live("first words", first_token)),
    "prefix": Part(4, "pairs", _counted("prefix cache", prefix_cache)),
    "model": Part(
        15,
        "pairs (SGLang too, where it is installed)",
        lambda console, _, pairs: _model(console, pairs, sglang=is_installed()),
    ),
    "sglang": Part(
        5, "pairs, SGLang installed first (6 GB)", lambda console, _, pairs: _model(console, pairs, sglang=True)
    ),
    "tokens": Part(1, "series", _tokens),
    "store": Part(1, "series", _stores),
    "database": Part(20, "rounds", _counted("databases", databases)),
    "ledger": Part(20, "rounds", _counted("ledger and windows", ledger)),
    "decisions": Part(30, "pairs", _counted("decisions", decisions)),
    "budget": Part(10_000, "runs", _counted("budgets", budget_trials)),
}
"""All measurements, in the order in which they are made."""

ASKED_FOR = frozenset({"sglang"})
"""The measurements that are made only if they are named."""


def _names(text: str) -> frozenset[str]:
    names = frozenset(text.split(","))
    if unknown := sorted(names - set(PARTS)):
        raise argparse.ArgumentTypeError(f"there is no {', '.join(map(repr, unknown))}: choose from {','.join(PARTS)}")
    return names


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    listed = "; ".join(f"{name}: {part.runs:,} {part.unit}" for name, part in PARTS.items())
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__, epilog=listed)
    parser.add_argument(
        "--only", type=_names, default=frozenset(PARTS) - ASKED_FOR, metavar="NAMES", help="some of the parts below"
    )
    parser.add_argument("--runs", type=int, help="how many of each, in place of the numbers below")
    options = parser.parse_args(arguments)
    console = Console()
    with tempfile.TemporaryDirectory(prefix="perdure-bench-") as name:
        try:
            for title, part in PARTS.items():
                if title in options.only:
                    part.measure(console, Path(name), options.runs or part.runs)
        except DeployError as error:
            sys.exit(f"bench: {error}")


if __name__ == "__main__":
    main()
