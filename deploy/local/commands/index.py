"""Indexes a folder of documents: `python -m deploy.local index FOLDER`."""

import argparse
import asyncio
import hashlib
import json
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from activities import settings as tree
from activities.adapters.documents.document import Document
from activities.adapters.stores import chunks
from activities.ports import Chunk, Embedder, PortError, UnreadableDocument, VectorStore
from activities.settings import Settings
from deploy.local.weights import weights
from deploy.local.weights.embedder import embedder
from deploy.processes.errors import DeployError
from deploy.processes.progress import CONSOLE
from deploy.weaviate.server import embedded
from perdure.contracts.contract import Name

BATCH = 16
"""The number of chunks that are embedded between two updates of the progress bar."""

Report = Callable[[str, int, int], None]
"""A callback of progress: the work's name, how much of it is done, and the total."""


@dataclass(frozen=True)
class Indexed:
    """The content of an index after indexing."""

    documents: int
    chunks: int
    unchanged: bool = False
    """Whether the index had this content before."""


async def index(
    folder: Path, *, tenant: str, collection: str, embedder: Embedder, store: VectorStore, progress: Report
) -> Indexed:
    """Replace the collection by a folder's documents, all at once.

    Every file is read before anything changes: a file that cannot be read raises `UnreadableDocument`. Files and
    folders whose names begin with a dot are left out. Running it again gives the same collection.
    """
    indexed, embedded_chunks = await _embed_folder(folder, embedder, progress)
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
) -> Indexed:
    """Index a folder, unless the file `record` shows that the collection was made of these very files.

    `embedding` names the embedding model's weights. The model is loaded only where it is needed.
    """
    wanted = await asyncio.to_thread(_fingerprint, folder, embedding)
    last = await asyncio.to_thread(_last_indexed, record)
    if last is not None and last[0] == wanted and await store.count(tenant, collection) == last[1].chunks:
        return last[1]
    indexed, embedded_chunks = await _embed_folder(folder, await asyncio.to_thread(embedder), progress)
    # Until the replacement ends, the content of the collection is unknown.
    await asyncio.to_thread(record.unlink, missing_ok=True)
    await store.replace(tenant, collection, embedded_chunks)
    await asyncio.to_thread(_remember, record, wanted, indexed)
    return indexed


async def index_folder(folder: Path, settings: Settings, *, tenant: str, collection: str) -> Indexed:
    """Index a folder into the store of the settings where it changed, with the embedded model and a progress bar.

    Raises `PortError` and `DeployError`.
    """
    from activities.adapters.stores.open import home_of_index, open_store

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
                record=home_of_index(settings) / tenant / collection / "corpus.json",
            )


def main(arguments: list[str]) -> int:
    """Run the command with its arguments; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local index", description="Index a folder of documents.")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--tenant", default="default", type=_name)
    parser.add_argument("--collection", default="handbook", type=_name)
    parser.add_argument("--store", choices=["weaviate"], help="keep them in the Weaviate of the running stack")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    try:
        settings = embedded(tree.load()) if options.store == "weaviate" else tree.load()
        indexed = asyncio.run(
            index_folder(options.folder, settings, tenant=options.tenant, collection=options.collection)
        )
    except (PortError, DeployError) as error:
        print(f"perdure: {error}", file=sys.stderr)
        return 1
    how = "unchanged" if indexed.unchanged else f"indexed in {time.monotonic() - began:.1f} s"
    print(f"{options.collection}: {indexed.documents} documents, {indexed.chunks} chunks, {how}")
    return 0


async def _embed_folder(folder: Path, embedder: Embedder, progress: Report) -> tuple[Indexed, list[Chunk]]:
    """Read a folder's documents, cut them into chunks and embed each."""
    documents = await asyncio.to_thread(_read, folder, progress)
    pieces = [(document, piece) for document in documents for piece in chunks.cut(document)]
    vectors: list[list[float]] = []
    for start in range(0, len(pieces), BATCH):
        vectors.extend(await embedder.embed([piece.text for _, piece in pieces[start : start + BATCH]]))
        progress("embed chunks", len(vectors), len(pieces))
    embedded_chunks = [
        _chunk(document, piece, vector) for (document, piece), vector in zip(pieces, vectors, strict=True)
    ]
    return Indexed(len(documents), len(embedded_chunks)), embedded_chunks


def _read(folder: Path, progress: Report) -> list[Document]:
    """Parse every file of a folder. Raises `UnreadableDocument`, also for two files with the same id and version."""
    from activities.adapters.documents.parse import parse

    files = _files(folder)
    documents: dict[tuple[str, int], tuple[Path, Document]] = {}
    for number, path in enumerate(files, 1):
        document = parse(path)
        key = (document.id, document.version)
        if key in documents:
            raise UnreadableDocument(
                f"cannot index {path.name!r}: {documents[key][0].name!r} is version {document.version} of "
                f"{document.id!r} too; give one of them another id or version"
            )
        documents[key] = (path, document)
        progress("read documents", number, len(files))
    return [document for _, document in documents.values()]


def _files(folder: Path) -> list[Path]:
    """Return the folder's files in a fixed order. Raises `DeployError` where there are none."""
    if not folder.is_dir():
        raise DeployError(f"cannot index {str(folder)!r}: it is not a folder; name a folder of documents")
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not files:
        raise DeployError(f"cannot index {str(folder)!r}: it holds no files; name a folder of documents")
    return files


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
    for path in _files(folder):
        try:
            contents = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise DeployError(f"cannot index {str(path)!r}: {error.strerror}; check its permissions") from None
        digest.update(f"\n{path.relative_to(folder)} {contents}".encode())
    return digest.hexdigest()


def _last_indexed(record: Path) -> tuple[str, Indexed] | None:
    """Return the fingerprint and content of the last indexing; None where no readable record exists."""
    try:
        fields = json.loads(record.read_text())
        return str(fields["of"]), Indexed(int(fields["documents"]), int(fields["chunks"]), unchanged=True)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember(record: Path, of: str, indexed: Indexed) -> None:
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps({"of": of, "documents": indexed.documents, "chunks": indexed.chunks}))


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
