"""`--only store`: how fast each store of documents takes chunks and finds them, and whether tenants are kept apart."""

import asyncio
import random
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydantic import SecretStr
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from activities.adapters.stores.open import open_store
from activities.ports import Chunk, VectorStore
from activities.settings import Paths, Settings, Store, load
from deploy.processes.ports import HOST, free_ports
from deploy.weaviate.build import PROGRAM, cached
from deploy.weaviate.server import Serving, part
from tests.support.stores.isolation import probe

SIZES = (1_000, 10_000)
DIMENSIONS = 384
WORDS = 60
VOCABULARY = 5_000
QUERIES = 100
ADDED = 500
"""The chunks that one insertion adds to a filled collection."""
PROBES = 2_000

METHOD = (
    f"Stores: random texts of {WORDS} words of {VOCABULARY}, random unit vectors of {DIMENSIONS} dimensions, the same "
    f"for each store. Stored: one `replace` of all. Added: one `insert` of {ADDED} more. Query: {QUERIES} hybrid "
    "searches for 4 hits with 8 words, one store after the other for each. Random words are a hard case for BM25. "
    "LanceDB runs in this process and writes all anew for an insertion; Weaviate is a server on this machine."
)


@dataclass
class Figures:
    """The figures of one store at one size."""

    stored: float = 0.0
    added: float = 0.0
    milliseconds: list[float] = field(default_factory=list[float])

    def percentile(self, share: float) -> float:
        return float(np.percentile(self.milliseconds, share))


async def measure(console: Console, folder: Path, seed: int) -> None:
    """Measure every store, and print."""
    console.print(METHOD)
    async with AsyncExitStack() as stack:
        stores = {"LanceDB": await stack.enter_async_context(_embedded(folder))}
        program = cached(load().paths.programs)
        if program is None:
            console.print(f"Weaviate is left out: {PROGRAM} is not built yet (`make test-weaviate` builds it).")
        else:
            stores["Weaviate"] = await stack.enter_async_context(_weaviate(program, folder))
        with _bars() as bars:
            figures_by_size = {size: await _compare(stores, size, seed, bars) for size in SIZES}
            leaks = {name: await _probe(name, store, seed, bars) for name, store in stores.items()}
    console.print(_table(figures_by_size))
    for name, leaked in leaks.items():
        console.print(f"{name}: {PROBES:,} probes across tenants (seed {seed}), {len(leaked)} leaks", *leaked[:5])


async def _compare(stores: dict[str, VectorStore], size: int, seed: int, bars: Progress) -> dict[str, Figures]:
    rng = random.Random(seed)  # noqa: S311 - texts, no secrets
    chunks = _chunks(rng, size + ADDED)
    figures = {name: Figures() for name in stores}
    bar = bars.add_task(f"{size:,} chunks", total=len(stores) * (2 + QUERIES))
    for name, store in stores.items():
        figures[name].stored = size / await _timed(
            lambda target=store: target.replace("bench", f"of-{size}", chunks[:size])
        )
        bars.advance(bar)
        figures[name].added = ADDED / await _timed(
            lambda target=store: target.insert("bench", f"of-{size}", chunks[size:])
        )
        bars.advance(bar)
        await store.search("bench", f"of-{size}", "warm up", chunks[0].vector, 4)
    for _ in range(QUERIES):
        query = " ".join(_words(rng, 8)), _vectors(rng, 1)[0], 4
        for name, store in stores.items():
            seconds = await _timed(
                lambda target=store, arguments=query: target.search("bench", f"of-{size}", *arguments)
            )
            figures[name].milliseconds.append(1000 * seconds)
            bars.advance(bar)
    return figures


async def _probe(name: str, store: VectorStore, seed: int, bars: Progress) -> list[str]:
    bar = bars.add_task(f"probe {name}", total=PROBES)
    return await probe(store, seed, PROBES, lambda: bars.advance(bar))


async def _timed(work: Callable[[], Awaitable[object]]) -> float:
    start = time.perf_counter()
    await work()
    return time.perf_counter() - start


def _chunks(rng: random.Random, count: int) -> list[Chunk]:
    return [
        Chunk(f"document-{number // 10}", 1, "A title", None, None, number % 10, " ".join(_words(rng, WORDS)), vector)
        for number, vector in enumerate(_vectors(rng, count))
    ]


def _words(rng: random.Random, count: int) -> list[str]:
    return [f"word{number}" for number in rng.choices(range(VOCABULARY), k=count)]


def _vectors(rng: random.Random, count: int) -> list[tuple[float, ...]]:
    vectors = np.random.default_rng(rng.getrandbits(32)).standard_normal((count, DIMENSIONS), dtype=np.float32)
    return [tuple(row) for row in (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).tolist()]


@asynccontextmanager
async def _embedded(folder: Path) -> AsyncGenerator[VectorStore]:
    async with open_store(Settings(paths=Paths(state=folder / "lancedb"), store=Store())) as store:
        yield store


@asynccontextmanager
async def _weaviate(program: Path, folder: Path) -> AsyncGenerator[VectorStore]:
    port, grpc_port = free_ports(2)
    serving = Serving(program, folder / "weaviate", port, grpc_port, secrets.token_hex(16))
    server = part(serving, folder / "weaviate.log")
    await asyncio.to_thread(server.begin, lambda _: None)
    try:
        settings = Store(
            weaviate=f"http://{HOST}:{port}",
            weaviate_grpc=f"{HOST}:{grpc_port}",
            weaviate_api_key=SecretStr(serving.key),
            timeout_seconds=60,
        )
        async with open_store(Settings(store=settings)) as store:
            yield store
    finally:
        await asyncio.to_thread(server.end)


def _bars() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), refresh_per_second=4)


def _table(figures_by_size: dict[int, dict[str, Figures]]) -> Table:
    table = Table(title="Stores of documents")
    table.add_column("store")
    for title in ("chunks", "stored/s", "added/s", "query p50, ms", "query p95, ms"):
        table.add_column(title, justify="right")
    for size, stores in figures_by_size.items():
        for name, figures in stores.items():
            times = (f"{figures.percentile(share):.1f}" for share in (50, 95))
            table.add_row(name, f"{size:,}", f"{figures.stored:,.0f}", f"{figures.added:,.0f}", *times)
    return table
