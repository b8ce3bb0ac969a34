"""Keeps chunks in LanceDB, embedded: one folder for each collection of each tenant, read by many processes at once."""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, cast

import lancedb
import pyarrow as pa  # pyright: ignore[reportMissingTypeStubs]  # pyarrow ships no types
from lancedb.index import FTS
from lancedb.query import MatchQuery
from lancedb.rerankers import RRFReranker
from lancedb.table import AsyncTable

from activities.adapters.stores.lancedb_files import (
    aliased,
    live_table,
    make_alias,
    make_live,
    only_writer,
    plainly,
    try_writing,
)
from activities.adapters.stores.store_rules import (
    DEPTH,
    DIMENSIONS,
    best_first,
    cosine,
    each_once,
    require_dimensions,
    require_names,
    unknown,
)
from activities.ports import Chunk, Filter, Fusion, Hit, Issued, UnknownCollection

_arrow = cast("Any", pa)

_Rows = Any
"""A pyarrow table."""


@dataclass(frozen=True)
class _Generation:
    """A collection as one change wrote it. It never changes, so what is known of it can be kept."""

    name: str
    table: AsyncTable
    dimensions: int
    chunks: int
    issued: tuple[Issued, ...]


class LanceStore:
    """A `VectorStore`. Tenants share no folder, so no query can reach another tenant's chunks.

    Each change writes a new table with its index and then moves a pointer in one rename: LanceDB's own overwrite is
    atomic for the rows, but leaves them without their full-text index for a while. So an insertion costs as much as a
    replacement, and is seen all at once like one. The generation before the live one stays for the searches that have
    already opened it. Searches are exact, not approximate.
    """

    fusion: Fusion = Fusion.RECIPROCAL_RANK

    def __init__(self, folder: Path, *, dimensions: int = DIMENSIONS) -> None:
        """Nothing is opened or created before it is needed."""
        self._folder = folder
        self._dimensions = dimensions
        self._open: dict[Path, _Generation] = {}

    async def ready(self) -> None:
        with plainly("cannot write to the index folder"):
            await asyncio.to_thread(try_writing, self._folder)

    async def replace(self, tenant: str, collection: str, chunks: Sequence[Chunk]) -> None:
        """Make these the collection's chunks, all at once. Writers wait for each other."""
        what = f"cannot store the collection {collection!r} of the tenant {tenant!r}"
        home = self._home(tenant, collection)
        require_dimensions(what, self._dimensions, *(chunk.vector for chunk in chunks))
        with plainly(what):
            await asyncio.to_thread(home.mkdir, parents=True, exist_ok=True)
            async with only_writer(home):
                await self._make(home, await asyncio.to_thread(self._rows, chunks))

    async def insert(self, tenant: str, collection: str, chunks: Sequence[Chunk]) -> None:
        what = f"cannot add to the collection {collection!r} of the tenant {tenant!r}"
        require_dimensions(what, self._dimensions, *(chunk.vector for chunk in chunks))
        new = {(chunk.document, chunk.version, chunk.number) for chunk in chunks}

        def with_new(rows: _Rows) -> _Rows:
            return _arrow.concat_tables([_without(rows, new.__contains__), self._rows(chunks)])

        await self._change(what, tenant, collection, with_new)

    async def delete_document(self, tenant: str, collection: str, document: str, version: int | None = None) -> int:
        before = after = 0

        def without_document(rows: _Rows) -> _Rows:
            nonlocal before, after
            kept = _without(rows, lambda key: key[0] == document and version in (None, key[1]))
            before, after = rows.num_rows, kept.num_rows
            return kept

        what = f"cannot delete {document!r} from the collection {collection!r} of the tenant {tenant!r}"
        await self._change(what, tenant, collection, without_document)
        return before - after

    async def search(
        self,
        tenant: str,
        collection: str,
        query: str,
        vector: Sequence[float],
        limit: int,
        *,
        only: Filter | None = None,
    ) -> list[Hit]:
        what = f"cannot search the collection {collection!r} of the tenant {tenant!r}"
        home = self._home(tenant, collection)
        condition = _condition(only or Filter())

        async def look(generation: _Generation) -> list[dict[str, Any]]:
            require_dimensions(what, generation.dimensions, vector)
            asked = generation.table.query().nearest_to(list(vector)).distance_type("cosine")
            found = asked.nearest_to_text(_words(query)).rerank(RRFReranker()).limit(max(limit, DEPTH))
            return cast("list[dict[str, Any]]", await (found.where(condition) if condition else found).to_list())

        with plainly(what):
            try:
                rows = await look(await self._live(home, tenant, collection))
            except (RuntimeError, OSError, ValueError):
                # Two replacements since the pointer was read: the table is gone, and a newer one is there.
                self._open.pop(home, None)
                rows = await look(await self._live(home, tenant, collection))
        return sorted((_hit(row, vector) for row in rows), key=best_first)[:limit]

    async def editions(self, tenant: str, collection: str) -> list[Issued]:
        with plainly(f"cannot read the collection {collection!r} of the tenant {tenant!r}"):
            return list((await self._live(self._home(tenant, collection), tenant, collection)).issued)

    async def count(self, tenant: str, collection: str) -> int:
        with plainly(f"cannot read the collection {collection!r} of the tenant {tenant!r}"):
            try:
                return (await self._live(self._home(tenant, collection), tenant, collection)).chunks
            except UnknownCollection:
                return 0

    async def alias(self, tenant: str, alias: str, collection: str) -> None:
        with plainly(f"cannot make {alias!r} an alias of the collection {collection!r} of the tenant {tenant!r}"):
            require_names(tenant, alias, collection)
            itself = alias == collection
            target = self._folder / tenant / collection if itself else self._home(tenant, collection)
            if await asyncio.to_thread(live_table, target) is None:
                raise unknown(tenant, collection)
            await asyncio.to_thread(make_alias, self._folder / tenant / alias, None if itself else target.name)

    def _home(self, tenant: str, collection: str) -> Path:
        """The folder of a collection, or of the one that its name is an alias of."""
        require_names(tenant, collection)
        named = self._folder / tenant / collection
        with plainly(f"cannot tell what {collection!r} of the tenant {tenant!r} is an alias of"):
            return named.with_name(aliased(named) or collection)

    async def _live(self, home: Path, tenant: str, collection: str) -> _Generation:
        """The generation that the pointer names, opened once. Raises `UnknownCollection`."""
        name = await asyncio.to_thread(live_table, home)
        known = self._open.get(home)
        if known is not None and known.name == name:
            return known
        if name is None:
            raise unknown(tenant, collection)
        table = await (await lancedb.connect_async(home)).open_table(name)
        columns = ["document", "version", "title", "effective", "replaces"]
        rows = cast("list[dict[str, Any]]", await table.query().select(columns).to_list())
        issued = {(row["document"], row["version"]): Issued(**row) for row in rows}
        dimensions = cast("Any", await table.schema()).field("vector").type.list_size
        generation = _Generation(name, table, dimensions, len(rows), tuple(issued[key] for key in sorted(issued)))
        self._open[home] = generation
        return generation

    async def _change(self, what: str, tenant: str, collection: str, change: Callable[[_Rows], _Rows]) -> None:
        """Make the live chunks other ones, if the change changes anything. Raises `UnknownCollection`."""
        home = self._home(tenant, collection)
        with plainly(what):
            if await asyncio.to_thread(live_table, home) is None:
                raise unknown(tenant, collection)
            async with only_writer(home):
                generation = await self._live(home, tenant, collection)
                rows = cast("_Rows", await generation.table.query().to_arrow())
                changed = await asyncio.to_thread(change, rows)
                if not changed.equals(rows):
                    require_dimensions(what, generation.dimensions, range(self._dimensions))
                    await self._make(home, changed)

    async def _make(self, home: Path, rows: _Rows) -> None:
        """Write a table with its index and make it the live one; the writer's lock is held."""
        before = await asyncio.to_thread(live_table, home)
        name = f"generation-{uuid.uuid4().hex}"
        connection = await lancedb.connect_async(home)
        try:
            table = await connection.create_table(name, rows)
            await table.create_index("text", config=FTS())
            await asyncio.to_thread(make_live, home, name)
        finally:
            # What neither the pointer nor a search in flight needs, a failed attempt's rows included.
            live = await asyncio.to_thread(live_table, home)
            for leftover in await asyncio.to_thread(lambda: [path.stem for path in home.glob("*.lance")]):
                if leftover not in (live, before):
                    await connection.drop_table(leftover)

    def _rows(self, chunks: Sequence[Chunk]) -> _Rows:
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
        return _arrow.Table.from_pylist([vars(chunk) for chunk in each_once(chunks)], schema=schema)


def _without(rows: _Rows, goes: Callable[[tuple[str, int, int]], bool]) -> _Rows:
    """The rows whose document, version and number stay."""
    keys = zip(*(rows[column].to_pylist() for column in ("document", "version", "number")), strict=True)
    return rows.filter(_arrow.array([not goes(key) for key in keys], _arrow.bool_()))


def _words(query: str) -> MatchQuery:
    """A query for any of the words, of which nothing is read as an operator."""
    return cast("Any", MatchQuery)(query, "text")


def _condition(only: Filter) -> str:
    """The filter in SQL; empty for none. Nothing in a document's id can end its quotes."""
    parts: list[str] = []
    if only.documents is not None:
        parts.append(_one_of("document", ["'" + document.replace("'", "''") + "'" for document in only.documents]))
    if only.versions is not None:
        parts.append(_one_of("version", [str(int(version)) for version in only.versions]))
    if only.effective_by is not None:
        parts.append(f"(effective IS NULL OR effective <= date '{only.effective_by.isoformat()}')")
    return " AND ".join(parts)


def _one_of(column: str, values: Sequence[str]) -> str:
    return f"{column} IN ({', '.join(values)})" if values else "false"


def _hit(row: dict[str, Any], vector: Sequence[float]) -> Hit:
    """A row as the port shows it. The cosine is computed here: a row found by its words alone comes without one."""
    own = tuple(cast("list[float]", row["vector"]))
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
    return Hit(chunk=chunk, score=float(row["_relevance_score"]), similarity=cosine(own, vector))
