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
"""Chunks that are embedded between two moves of the progress bar."""

Report = Callable[[str, int, int], None]
"""Hears what is being done, how much of it is done, and of how much."""


@dataclass(frozen=True)
class Indexed:
    """What an index holds now."""

    documents: int
    chunks: int
    unchanged: bool = False
    """Whether it held that already."""


async def index(
    folder: Path, *, tenant: str, collection: str, embedder: Embedder, store: VectorStore, progress: Report
) -> Indexed:
    """Make a folder's documents the collection, all at once.

    Every file is read before anything changes: one that cannot be read stops it with `UnreadableDocument`. Files and
    folders whose names begin with a dot are left out. Running it again gives the same collection.
    """
    done, made = await _made(folder, embedder, progress)
    await store.replace(tenant, collection, made)
    return done


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
    """Index a folder unless the collection is made of these very files already, which `record` remembers.

    `embedding` names the embedding model's weights. The model is loaded only where it is needed.
    """
    wanted = await asyncio.to_thread(_fingerprint, folder, embedding)
    known = await asyncio.to_thread(_recorded, record)
    if known is not None and known[0] == wanted and await store.count(tenant, collection) == known[1].chunks:
        return known[1]
    done, made = await _made(folder, await asyncio.to_thread(embedder), progress)
    # From here to the end of the replacement nobody knows what the collection holds.
    await asyncio.to_thread(record.unlink, missing_ok=True)
    await store.replace(tenant, collection, made)
    await asyncio.to_thread(_remember, record, wanted, done)
    return done


async def index_folder(folder: Path, settings: Settings, *, tenant: str, collection: str) -> Indexed:
    """`ensure` in the store that the settings name, with the embedded stack's embedding model and a progress bar.

    Raises `PortError` and `DeployError`.
    """
    from activities.adapters.stores.open import home_of_index, open_store

    catalogue = weights.read_catalogue(settings)
    async with open_store(settings) as store:
        await store.ready()
        with _shown() as progress:
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
    """Run the command with its arguments; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local index", description="Index a folder of documents.")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--tenant", default="default", type=_name)
    parser.add_argument("--collection", default="handbook", type=_name)
    parser.add_argument("--store", choices=["weaviate"], help="keep them in that of the stack that is up")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    try:
        settings = embedded(tree.load()) if options.store == "weaviate" else tree.load()
        done = asyncio.run(index_folder(options.folder, settings, tenant=options.tenant, collection=options.collection))
    except (PortError, DeployError) as error:
        print(f"perdure: {error}", file=sys.stderr)
        return 1
    how = "unchanged" if done.unchanged else f"indexed in {time.monotonic() - began:.1f} s"
    print(f"{options.collection}: {done.documents} documents, {done.chunks} chunks, {how}")
    return 0


async def _made(folder: Path, embedder: Embedder, progress: Report) -> tuple[Indexed, list[Chunk]]:
    """The folder's chunks with their vectors."""
    documents = await asyncio.to_thread(_read, folder, progress)
    pieces = [(document, piece) for document in documents for piece in chunks.cut(document)]
    vectors: list[list[float]] = []
    for start in range(0, len(pieces), BATCH):
        vectors.extend(await embedder.embed([piece.text for _, piece in pieces[start : start + BATCH]]))
        progress("embed chunks", len(vectors), len(pieces))
    made = [_chunk(document, piece, vector) for (document, piece), vector in zip(pieces, vectors, strict=True)]
    return Indexed(len(documents), len(made)), made


def _read(folder: Path, progress: Report) -> list[Document]:
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
    """The folder's files in a fixed order. Raises `DeployError` where there are none."""
    if not folder.is_dir():
        raise DeployError(f"cannot index {str(folder)!r}: it is not a folder; name a folder of documents")
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not found:
        raise DeployError(f"cannot index {str(folder)!r}: it holds no files; name a folder of documents")
    return found


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
    """Changes with any file, with the way documents are cut, and with the embedding model."""
    digest = hashlib.sha256(f"{chunks.EDITION} {embedding}".encode())
    for path in _files(folder):
        try:
            contents = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise DeployError(f"cannot index {str(path)!r}: {error.strerror}; check its permissions") from None
        digest.update(f"\n{path.relative_to(folder)} {contents}".encode())
    return digest.hexdigest()


def _recorded(record: Path) -> tuple[str, Indexed] | None:
    """What was indexed last; None where that is unknown."""
    try:
        known = json.loads(record.read_text())
        return str(known["of"]), Indexed(int(known["documents"]), int(known["chunks"]), unchanged=True)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember(record: Path, of: str, done: Indexed) -> None:
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps({"of": of, "documents": done.documents, "chunks": done.chunks}))


def _name(value: str) -> str:
    try:
        return TypeAdapter[str](Name).validate_python(value)
    except ValidationError:
        raise argparse.ArgumentTypeError(f"{value!r}: use lower-case letters, digits and dashes") from None


@contextmanager
def _shown() -> Generator[Report]:
    """A bar for each thing that is reported."""
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=CONSOLE, refresh_per_second=4) as bars:
        tasks: dict[str, TaskID] = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done)

        yield report
