"""Keeps chunks in LanceDB, embedded: one folder for each collection of each tenant, read by many processes at once."""

import asyncio
import errno
import fcntl
import json
import os
import re
import uuid
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, cast

import lancedb
import numpy as np
import pyarrow as pa  # pyright: ignore[reportMissingTypeStubs]  # pyarrow ships no types
from lancedb.index import FTS
from lancedb.query import MatchQuery
from lancedb.rerankers import RRFReranker
from lancedb.table import AsyncTable

from activities.ports import Chunk, Hit, Issued, PortError, StorageFailed, StorageFull, UnknownCollection

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_POINTER = "live.json"
_DEPTH = 40
"""How many chunks each of the two searches contributes at least: fusion needs more than it returns."""
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

_arrow = cast("Any", pa)


@dataclass(frozen=True)
class _Generation:
    """A collection as one `replace` wrote it. It never changes, so what is known of it can be kept."""

    name: str
    table: AsyncTable
    chunks: int
    issued: tuple[Issued, ...]


class LanceStore:
    """A `VectorStore`. Tenants share no folder, so no query can reach another tenant's chunks.

    `replace` writes a new table with its index and then moves a pointer in one rename: LanceDB's own overwrite is
    atomic for the rows, but leaves them without their full-text index for a while. The generation before the live one
    stays for the searches that have already opened it. Searches are exact, not approximate.
    """

    def __init__(self, folder: Path, *, dimensions: int = 384) -> None:
        """Nothing is opened or created before it is needed."""
        self._folder = folder
        self._dimensions = dimensions
        self._open: dict[Path, _Generation] = {}

    async def replace(self, tenant: str, collection: str, chunks: Sequence[Chunk]) -> None:
        """Make these the collection's chunks, all at once. Writers wait for each other.

        Raises `StorageFull` and `StorageFailed`; the collection is then as it was.
        """
        home = self._home(tenant, collection)
        with _plainly(f"cannot store the collection {collection!r} of the tenant {tenant!r}"):
            await asyncio.to_thread(home.mkdir, parents=True, exist_ok=True)
            async with _only_writer(home):
                before = await asyncio.to_thread(_pointer, home)
                name = f"generation-{uuid.uuid4().hex}"
                connection = await lancedb.connect_async(home)
                try:
                    table = await connection.create_table(name, await asyncio.to_thread(self._rows, chunks))
                    await table.create_index("text", config=FTS())
                    await asyncio.to_thread(_point, home, name)
                finally:
                    # What neither the pointer nor a search in flight needs, a failed attempt's rows included.
                    live = await asyncio.to_thread(_pointer, home)
                    for leftover in await asyncio.to_thread(lambda: [path.stem for path in home.glob("*.lance")]):
                        if leftover not in (live, before):
                            await connection.drop_table(leftover)

    async def search(self, tenant: str, collection: str, query: str, vector: Sequence[float], limit: int) -> list[Hit]:
        """The best chunks by words (BM25) and by meaning, fused by reciprocal rank, best first.

        Raises `UnknownCollection`, `StorageFailed`.
        """
        home = self._home(tenant, collection)
        depth = max(limit, _DEPTH)

        async def look(generation: _Generation) -> list[dict[str, Any]]:
            found = (
                generation.table.query()
                .nearest_to(list(vector))
                .distance_type("cosine")
                .nearest_to_text(_words(query))
                .rerank(RRFReranker())
                .limit(depth)
            )
            return cast("list[dict[str, Any]]", await found.to_list())

        with _plainly(f"cannot search the collection {collection!r} of the tenant {tenant!r}"):
            try:
                rows = await look(await self._live(home, tenant, collection))
            except (RuntimeError, OSError, ValueError):
                # Two replacements since the pointer was read: the table is gone, and a newer one is there.
                self._open.pop(home, None)
                rows = await look(await self._live(home, tenant, collection))
        return sorted((_hit(row, vector) for row in rows), key=_best_first)[:limit]

    async def editions(self, tenant: str, collection: str) -> list[Issued]:
        """Every edition of every document, by id and version. Raises `UnknownCollection`, `StorageFailed`."""
        with _plainly(f"cannot read the collection {collection!r} of the tenant {tenant!r}"):
            return list((await self._live(self._home(tenant, collection), tenant, collection)).issued)

    async def count(self, tenant: str, collection: str) -> int:
        """How many chunks the collection holds; 0 where it does not exist. Raises `StorageFailed`."""
        with _plainly(f"cannot read the collection {collection!r} of the tenant {tenant!r}"):
            try:
                return (await self._live(self._home(tenant, collection), tenant, collection)).chunks
            except UnknownCollection:
                return 0

    def _home(self, tenant: str, collection: str) -> Path:
        for name in (tenant, collection):
            if _NAME.fullmatch(name) is None:
                raise UnknownCollection(
                    f"{name!r} cannot name a tenant or a collection: use lower-case letters, digits and dashes"
                )
        return self._folder / tenant / collection

    async def _live(self, home: Path, tenant: str, collection: str) -> _Generation:
        """The generation that the pointer names, opened once. Raises `UnknownCollection`."""
        name = await asyncio.to_thread(_pointer, home)
        known = self._open.get(home)
        if known is not None and known.name == name:
            return known
        if name is None:
            raise UnknownCollection(
                f"the tenant {tenant!r} has no collection {collection!r}: index a folder of documents first "
                f"(`python -m deploy.local index FOLDER --tenant {tenant} --collection {collection}`)"
            )
        table = await (await lancedb.connect_async(home)).open_table(name)
        columns = ["document", "version", "title", "effective", "replaces"]
        rows = cast("list[dict[str, Any]]", await table.query().select(columns).to_list())
        issued = {(row["document"], row["version"]): Issued(**row) for row in rows}
        generation = _Generation(name, table, len(rows), tuple(issued[key] for key in sorted(issued)))
        self._open[home] = generation
        return generation

    def _rows(self, chunks: Sequence[Chunk]) -> Any:
        schema = _arrow.schema(
            [
                ("document", _arrow.string()),
                ("version", _arrow.int64()),
                ("title", _arrow.string()),
                ("effective", _arrow.date32()),
                ("replaces", _arrow.string()),
                ("number", _arrow.int64()),
                ("text", _arrow.string()),
                ("vector", _arrow.list_(_arrow.float32(), self._dimensions)),
            ]
        )
        return _arrow.Table.from_pylist([vars(chunk) for chunk in chunks], schema=schema)


def _words(query: str) -> MatchQuery:
    """A query for any of the words, of which nothing is read as an operator."""
    return cast("Any", MatchQuery)(query, "text")


def _hit(row: dict[str, Any], vector: Sequence[float]) -> Hit:
    """A row as the port shows it. The cosine is computed here: a row found by its words alone comes without one."""
    own = tuple(cast("list[float]", row["vector"]))
    lengths = float(np.linalg.norm(own) * np.linalg.norm(vector))
    cosine = float(np.dot(own, vector)) / lengths if lengths else 0.0
    effective: date | None = row["effective"]
    chunk = Chunk(
        document=row["document"],
        version=row["version"],
        title=row["title"],
        effective=effective,
        replaces=row["replaces"],
        number=row["number"],
        text=row["text"],
        vector=own,
    )
    return Hit(chunk=chunk, score=float(row["_relevance_score"]), similarity=max(-1.0, min(1.0, cosine)))


def _best_first(hit: Hit) -> tuple[float, float, str, int, int]:
    """Fused ranks are often equal: then by meaning, and at last by place, so that a search can be repeated."""
    return (-hit.score, -hit.similarity, hit.chunk.document, hit.chunk.version, hit.chunk.number)


def _pointer(home: Path) -> str | None:
    """The name of the live table; None where there is no collection."""
    try:
        return str(json.loads((home / _POINTER).read_bytes())["table"])
    except FileNotFoundError:
        return None


def _point(home: Path, name: str) -> None:
    """Make a table the live one. A reader sees the old pointer or the new one."""
    draft = home / f".{_POINTER}"
    with draft.open("w") as out:
        json.dump({"table": name}, out)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(home / _POINTER)


@asynccontextmanager
async def _only_writer(home: Path) -> AsyncGenerator[None]:
    """Hold the collection's lock, which ends with its process."""
    with (home / ".lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                # Waiting in a thread could not be cancelled.
                await asyncio.sleep(0.05)
            else:
                break
        yield


@contextmanager
def _plainly(what: str) -> Generator[None]:
    """Turn what LanceDB and the file system raise into the port's errors, in one line."""
    try:
        yield
    except PortError:
        raise
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        code = error.errno if isinstance(error, OSError) else None
        if code in _NO_ROOM or any(f"(os error {number})" in str(error) for number in _NO_ROOM):
            raise StorageFull(f"{what}: the disk is full; make room and try again") from None
        raise StorageFailed(f"{what}: {reason}; check the index folder, or build the index anew") from None
