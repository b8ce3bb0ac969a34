"""Indexes a folder of documents: `python -m deploy.local index FOLDER`."""

import argparse
import asyncio
import hashlib
import json
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from activities import settings as tree
from activities.adapters.documents.document import Document
from activities.adapters.stores import chunks
from activities.ports import Chunk, Embedder, PortError, VectorStore
from activities.settings import Settings
from deploy.local.commands.folders import FileReport, Report, files_in, read_folder, reported, require_complete
from deploy.local.weights import weights
from deploy.local.weights.embedder import embedder
from deploy.processes.errors import DeployError
from deploy.processes.progress import CONSOLE
from deploy.weaviate.server import embedded
from perdure.contracts.contract import Name

BATCH = 16
"""The number of chunks that are embedded between two updates of the progress bar."""


@dataclass(frozen=True)
class Indexed:
    """The content of an index after indexing."""

    documents: int
    chunks: int
    unchanged: bool = False
    """Whether the index had this content before."""
    files: tuple[FileReport, ...] = field(default=(), compare=False)
    """What became of each file of the folder."""


async def index(
    folder: Path,
    *,
    tenant: str,
    collection: str,
    embedder: Embedder,
    store: VectorStore,
    progress: Report,
    strict: bool = False,
) -> Indexed:
    """Replace the collection by a folder's documents, all at once.

    Every file is read before anything changes. A file that cannot be read is left out, and its report says why; with
    `strict`, or if no file can be read, it raises `UnreadableDocument`. Files and folders whose names begin with a dot
    are no documents. Running it again gives the same collection.
    """
    indexed, embedded_chunks = await _embed_folder(folder, embedder, progress, strict=strict)
    await store.replace(tenant, collection, embedded_chunks)
    return indexed


async def ensure(
    folder: Path,
    *,
    tenant: str,
    collection: str,
    embedder: Callable[[], Embedder],
    embedding: str,
    store: VectorStore,
    progress: Report,
    record: Path,
    strict: bool = False,
) -> Indexed:
    """Index a folder, unless the file `record` shows that the collection was made of these very files.

    The record keeps the report of each file: what is not in its document, and why a file was left out.

    `embedding` names the embedding model's weights. The model is loaded only where it is needed.
    """
    wanted = await asyncio.to_thread(_fingerprint, folder, embedding)
    last = await asyncio.to_thread(_last_indexed, record)
    if last is not None and last[0] == wanted and await store.count(tenant, collection) == last[1].chunks:
        if strict:
            require_complete(last[1].files)
        return last[1]
    loaded = await asyncio.to_thread(embedder)
    indexed, embedded_chunks = await _embed_folder(folder, loaded, progress, strict=strict)
    # Until the replacement ends, the content of the collection is unknown.
    await asyncio.to_thread(record.unlink, missing_ok=True)
    await store.replace(tenant, collection, embedded_chunks)
    await asyncio.to_thread(_remember, record, wanted, indexed, folder)
    return indexed


def corpus_record(settings: Settings, tenant: str, collection: str) -> Path:
    """Return the file with the record of a collection: of which folder and files it was made."""
    from activities.adapters.stores.open import home_of_index

    return home_of_index(settings) / tenant / collection / "corpus.json"


async def index_folder(
    folder: Path, settings: Settings, *, tenant: str, collection: str, strict: bool = False
) -> Indexed:
    """Index a folder into the store of the settings where it changed, with the embedded model and a progress bar.

    Raises `PortError` and `DeployError`.
    """
    from activities.adapters.stores.open import open_store

    catalogue = weights.read_catalogue(settings)
    async with open_store(settings) as store:
        await store.ready()
        with _progress_bars() as progress:
            return await ensure(
                folder,
                tenant=tenant,
                collection=collection,
                embedder=lambda: embedder(settings),
                embedding=" ".join(catalogue.file(name).sha256 for name in weights.EMBEDDING),
                store=store,
                progress=progress,
                record=corpus_record(settings, tenant, collection),
                strict=strict,
            )


def main(arguments: list[str]) -> int:
    """Run the command with its arguments; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local index", description="Index a folder of documents.")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--tenant", default="default", type=_name)
    parser.add_argument("--collection", default="handbook", type=_name)
    parser.add_argument("--store", choices=["weaviate"], help="keep them in the Weaviate of the running stack")
    parser.add_argument("--strict", action="store_true", help="index nothing if one file cannot be read")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    try:
        settings = embedded(tree.load()) if options.store == "weaviate" else tree.load()
        indexed = asyncio.run(
            index_folder(
                options.folder, settings, tenant=options.tenant, collection=options.collection, strict=options.strict
            )
        )
    except (PortError, DeployError) as error:
        print(f"perdure: {error}", file=sys.stderr)
        return 1
    for line in reported(indexed.files):
        print(line)
    how = "unchanged" if indexed.unchanged else f"indexed in {time.monotonic() - began:.1f} s"
    print(f"{options.collection}: {indexed.documents} documents, {indexed.chunks} chunks, {how}")
    return 0


async def _embed_folder(
    folder: Path, embedder: Embedder, progress: Report, *, strict: bool
) -> tuple[Indexed, list[Chunk]]:
    """Read a folder's documents, cut them into chunks and embed each."""
    documents, reports = await read_folder(folder, progress, strict=strict)
    pieces = await asyncio.to_thread(_cut, documents, embedder, progress)
    vectors: list[list[float]] = []
    for start in range(0, len(pieces), BATCH):
        vectors.extend(await embedder.embed([piece.text for _, piece in pieces[start : start + BATCH]]))
        progress("embed chunks", len(vectors), len(pieces))
    embedded_chunks = [
        _chunk(document, piece, vector) for (document, piece), vector in zip(pieces, vectors, strict=True)
    ]
    return Indexed(len(documents), len(embedded_chunks), files=reports), embedded_chunks


def _cut(documents: Sequence[Document], embedder: Embedder, progress: Report) -> list[tuple[Document, chunks.Piece]]:
    pieces: list[tuple[Document, chunks.Piece]] = []
    for number, document in enumerate(documents, 1):
        pieces.extend((document, piece) for piece in chunks.cut(document, tokens=embedder.tokens))
        progress("cut documents", number, len(documents))
    return pieces


def _chunk(document: Document, piece: chunks.Piece, vector: Sequence[float]) -> Chunk:
    return Chunk(
        document=document.id,
        version=document.version,
        title=document.title,
        effective=document.effective,
        replaces=document.replaces,
        number=piece.number,
        text=piece.text,
        vector=tuple(vector),
    )


def _fingerprint(folder: Path, embedding: str) -> str:
    """Return a hash that changes with any file, with the chunking rules, and with the embedding model."""
    digest = hashlib.sha256(f"{chunks.EDITION} {embedding}".encode())
    for path in files_in(folder):
        try:
            contents = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:  # it is left out, and read again once it can be opened
            contents = f"cannot be opened: {error.strerror}"
        digest.update(f"\n{path.relative_to(folder)} {contents}".encode())
    return digest.hexdigest()


def _last_indexed(record: Path) -> tuple[str, Indexed] | None:
    """Return the fingerprint and content of the last indexing; None where no readable record exists."""
    try:
        fields = json.loads(record.read_text())
        files = TypeAdapter(tuple[FileReport, ...]).validate_python(fields["files"])
        return str(fields["of"]), Indexed(int(fields["documents"]), int(fields["chunks"]), unchanged=True, files=files)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember(record: Path, of: str, indexed: Indexed, folder: Path) -> None:
    record.parent.mkdir(parents=True, exist_ok=True)
    files = [asdict(report) for report in indexed.files]
    counts = {"documents": indexed.documents, "chunks": indexed.chunks}
    content = {"of": of, "folder": str(folder.resolve()), **counts, "files": files}
    record.write_text(json.dumps(content, ensure_ascii=False, indent=1))


def _name(value: str) -> str:
    try:
        return TypeAdapter[str](Name).validate_python(value)
    except ValidationError:
        raise argparse.ArgumentTypeError(f"{value!r}: use lower-case letters, digits and dashes") from None


@contextmanager
def _progress_bars() -> Generator[Report]:
    """Show a progress bar for each kind of work that is reported."""
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=CONSOLE, refresh_per_second=4) as bars:
        tasks: dict[str, TaskID] = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done)

        yield report
