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
    alias_target,
    as_port_errors,
    live_table,
    make_alias,
    make_live,
    try_writing,
    writer_lock,
)
from activities.adapters.stores.store_rules import (
    DEPTH,
    DIMENSIONS,
    cosine,
    rank,
    require_dimensions,
    require_names,
    unknown_collection,
    without_duplicates,
    words,
)
from activities.ports import Chunk, Filter, Fusion, Hit, Issued, UnknownCollection

_arrow = cast("Any", pa)

_Rows = Any
"""A pyarrow table."""

_WORDS = "words"
"""The column of the texts as their words are searched."""


@dataclass(frozen=True)
class _Generation:
    """A collection as one change wrote it. It never changes, so its properties can be cached."""

    name: str
    table: AsyncTable
    dimensions: int
    chunks: int
    issued: tuple[Issued, ...]
    searched: str
    """The column that is searched by words: `text` in a generation that was written before there was another."""


class LanceStore:
    """A `VectorStore`. Tenants share no folder, so no query can reach another tenant's chunks.

    Each change writes a new table with its index, and then moves a pointer in one rename. LanceDB's own overwrite is
    atomic for the rows, but leaves them without their full-text index for a while. So an insertion costs as much as a
    replacement, and readers see it completely or not at all. The previous generation stays for searches that have
    opened it. Searches are exact, not approximate.
    """

    fusion: Fusion = Fusion.RECIPROCAL_RANK

    def __init__(self, folder: Path, *, dimensions: int = DIMENSIONS) -> None:
        """Keep the index in `folder`. Files are opened and created at their first use."""
        self._folder = folder
        self._dimensions = dimensions
        self._opened: dict[Path, _Generation] = {}

    async def ready(self) -> None:
        with as_port_errors("cannot write to the index folder"):
            await asyncio.to_thread(try_writing, self._folder)

    async def replace(self, tenant: str, collection: str, chunks: Sequence[Chunk]) -> None:
        """Replace the collection's chunks in one step. Writers wait for each other."""
        what = f"cannot store the collection {collection!r} of the tenant {tenant!r}"
        folder = self._collection_folder(tenant, collection)
        require_dimensions(what, self._dimensions, *(chunk.vector for chunk in chunks))
        with as_port_errors(what):
            await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
            async with writer_lock(folder):
                await self._write_generation(folder, await asyncio.to_thread(self._rows, chunks))

    async def insert(self, tenant: str, collection: str, chunks: Sequence[Chunk]) -> None:
        what = f"cannot add to the collection {collection!r} of the tenant {tenant!r}"
        require_dimensions(what, self._dimensions, *(chunk.vector for chunk in chunks))
        new = {(chunk.document, chunk.version, chunk.number) for chunk in chunks}

        def with_new(rows: _Rows) -> _Rows:
            return _arrow.concat_tables([_without(rows, new.__contains__), self._rows(chunks)])

        await self._change(what, tenant, collection, with_new)

    async def delete_document(self, tenant: str, collection: str, document: str, version: int | None = None) -> int:
        rows_before = rows_after = 0

        def without_document(rows: _Rows) -> _Rows:
            nonlocal rows_before, rows_after
            remaining = _without(rows, lambda key: key[0] == document and version in (None, key[1]))
            rows_before, rows_after = rows.num_rows, remaining.num_rows
            return remaining

        what = f"cannot delete {document!r} from the collection {collection!r} of the tenant {tenant!r}"
        await self._change(what, tenant, collection, without_document)
        return rows_before - rows_after

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
        folder = self._collection_folder(tenant, collection)
        condition = _condition(Filter() if only is None else only)

        async def search(generation: _Generation) -> list[dict[str, Any]]:
            require_dimensions(what, generation.dimensions, vector)
            vector_query = generation.table.query().nearest_to(list(vector)).distance_type("cosine")
            hybrid = (
                vector_query.nearest_to_text(_words_query(query, generation.searched))
                .rerank(RRFReranker())
                .limit(max(limit, DEPTH))
            )
            return cast("list[dict[str, Any]]", await (hybrid.where(condition) if condition else hybrid).to_list())

        with as_port_errors(what):
            try:
                rows = await search(await self._live(folder, tenant, collection))
            except (RuntimeError, OSError, ValueError):
                # The table was removed by a second replacement since the pointer was read: read the newer one.
                self._opened.pop(folder, None)
                rows = await search(await self._live(folder, tenant, collection))
        return sorted((_hit(row, vector) for row in rows), key=rank)[:limit]

    async def editions(self, tenant: str, collection: str) -> list[Issued]:
        with as_port_errors(f"cannot read the collection {collection!r} of the tenant {tenant!r}"):
            return list((await self._live(self._collection_folder(tenant, collection), tenant, collection)).issued)

    async def count(self, tenant: str, collection: str) -> int:
        with as_port_errors(f"cannot read the collection {collection!r} of the tenant {tenant!r}"):
            try:
                return (await self._live(self._collection_folder(tenant, collection), tenant, collection)).chunks
            except UnknownCollection:
                return 0

    async def alias(self, tenant: str, alias: str, collection: str) -> None:
        with as_port_errors(
            f"cannot make {alias!r} an alias of the collection {collection!r} of the tenant {tenant!r}"
        ):
            require_names(tenant, alias, collection)
            ends_alias = alias == collection
            target = self._folder / tenant / collection if ends_alias else self._collection_folder(tenant, collection)
            if await asyncio.to_thread(live_table, target) is None:
                raise unknown_collection(tenant, collection)
            await asyncio.to_thread(make_alias, self._folder / tenant / alias, None if ends_alias else target.name)

    def _collection_folder(self, tenant: str, collection: str) -> Path:
        """Return the folder of a collection; for an alias, that of its target."""
        require_names(tenant, collection)
        named = self._folder / tenant / collection
        with as_port_errors(f"cannot tell what {collection!r} of the tenant {tenant!r} is an alias of"):
            return named.with_name(alias_target(named) or collection)

    async def _live(self, folder: Path, tenant: str, collection: str) -> _Generation:
        """Return the generation that the pointer names, opened once. Raises `UnknownCollection`."""
        name = await asyncio.to_thread(live_table, folder)
        opened = self._opened.get(folder)
        if opened is not None and opened.name == name:
            return opened
        if name is None:
            raise unknown_collection(tenant, collection)
        table = await (await lancedb.connect_async(folder)).open_table(name)
        columns = ["document", "version", "title", "effective", "replaces"]
        rows = cast("list[dict[str, Any]]", await table.query().select(columns).to_list())
        issued = {(row["document"], row["version"]): Issued(**row) for row in rows}
        schema = cast("Any", await table.schema())
        generation = _Generation(
            name,
            table,
            schema.field("vector").type.list_size,
            len(rows),
            tuple(issued[key] for key in sorted(issued)),
            _WORDS if _WORDS in schema.names else "text",
        )
        self._opened[folder] = generation
        return generation

    async def _change(self, what: str, tenant: str, collection: str, change: Callable[[_Rows], _Rows]) -> None:
        """Make the live chunks other ones, if the change changes anything. Raises `UnknownCollection`."""
        folder = self._collection_folder(tenant, collection)
        with as_port_errors(what):
            if await asyncio.to_thread(live_table, folder) is None:
                raise unknown_collection(tenant, collection)
            async with writer_lock(folder):
                generation = await self._live(folder, tenant, collection)
                rows = _with_words(cast("_Rows", await generation.table.query().to_arrow()))
                changed_rows = await asyncio.to_thread(change, rows)
                if not changed_rows.equals(rows):
                    require_dimensions(what, generation.dimensions, range(self._dimensions))
                    await self._write_generation(folder, changed_rows)

    async def _write_generation(self, folder: Path, rows: _Rows) -> None:
        """Write a table with its index and make it the live one. The caller holds the writer's lock."""
        previous = await asyncio.to_thread(live_table, folder)
        name = f"generation-{uuid.uuid4().hex}"
        connection = await lancedb.connect_async(folder)
        try:
            table = await connection.create_table(name, rows)
            await table.create_index(_WORDS, config=FTS())
            await asyncio.to_thread(make_live, folder, name)
        finally:
            # Remove the tables that neither the pointer nor a running search needs, also those of failed attempts.
            live = await asyncio.to_thread(live_table, folder)
            for leftover in await asyncio.to_thread(lambda: [path.stem for path in folder.glob("*.lance")]):
                if leftover not in (live, previous):
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
        return _with_words(
            _arrow.Table.from_pylist([vars(chunk) for chunk in without_duplicates(chunks)], schema=schema)
        )


def _with_words(rows: _Rows) -> _Rows:
    """Return the rows with the column that is searched by words; quotes are taken from `text`, as it stands."""
    if _WORDS in rows.column_names:
        return rows
    return rows.append_column(_WORDS, _arrow.array([words(text) for text in rows["text"].to_pylist()], _arrow.string()))


def _without(rows: _Rows, is_removed: Callable[[tuple[str, int, int]], bool]) -> _Rows:
    """Return the rows without those for whose document, version and number `is_removed` returns True."""
    keys = zip(*(rows[column].to_pylist() for column in ("document", "version", "number")), strict=True)
    return rows.filter(_arrow.array([not is_removed(key) for key in keys], _arrow.bool_()))


def _words_query(query: str, column: str) -> MatchQuery:
    """Return a query for any of the words; no word is read as an operator."""
    return cast("Any", MatchQuery)(words(query), column)


def _condition(only: Filter) -> str:
    """Return the filter in SQL; empty for none. Quotes in a document's id are escaped."""
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
    """Return a row as a hit. The cosine is computed here, since a row that only matched by words comes without one."""
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
