"""Reads the text of files for the documents port, each in a process that is killed where reading runs away."""

import asyncio
import json
import threading
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from pydantic import TypeAdapter

from activities.adapters.documents.document import Document, unreadable
from activities.adapters.documents.parse import bytes_of, parse_bytes
from activities.adapters.documents.plain import read_file, read_text
from activities.adapters.foreign_work.limits import MEBIBYTE, Busy, Exceeded, Failed, Limits, Stopped
from activities.adapters.foreign_work.pool import Pool
from activities.adapters.foreign_work.processes import NoProcess, fork_server
from activities.ports import NotInCharset, ReadersBusy, ReadFile, ReadingStopped, UnreadableDocument
from activities.settings.foreign_work import ForeignWork

PRELOAD = tuple(
    f"activities.adapters.documents.{name}" for name in ("files", "html.reader", "markdown.reader", "pdf.reader")
)
"""What the fork server of documents loads; a process loads the reader of a rarer format itself."""
READ = "activities.adapters.documents.files:read"
"""The work of reading a document."""
READ_WITH_LOSSES = "activities.adapters.documents.files:read_with_losses"
"""The work of reading a text and what its reader left out."""
PARSE = "activities.adapters.documents.files:parse"
"""The work of reading a document with its sections and losses."""
MOST_LOSSES = 20
"""The most losses of a file that are named; the others are counted."""
LONGEST_LOSS = 200
"""The characters of a loss that are shown."""
WALL_CLOCK = 2
"""How much longer than its processor time the reading may take, on a busy machine."""
LONGEST_WAIT = timedelta(seconds=15)
"""How long a document waits for others, its tenant's own too: with the time to read it, less than the effect has."""

_documents = TypeAdapter(Document)
_ERRORS = {error.__name__: error for error in (UnreadableDocument, NotInCharset)}


class FileDocuments:
    """A `Documents` for the files that `read_text` reads, for use from one event loop.

    Each file is read in a fresh process, so that nothing of one tenant's document is left when the next one is read.
    """

    def __init__(self, settings: ForeignWork | None = None) -> None:
        self._settings = ForeignWork() if settings is None else settings
        self._pool = Pool(
            fork_server(PRELOAD),
            processes=self._settings.processes,
            waiting=self._settings.waiting,
            remembered=self._settings.remembered,
            uses=1,
            one_each=True,
            niceness=5,
        )
        self._log = structlog.get_logger("perdure")

    async def text(self, name: str, data: bytes, *, tenant: str = "", charset: str | None = None) -> str:
        work = {"name": name, "charset": charset}
        text = await self._run(READ, work, data, tenant=tenant, page=charset is not None)
        return text.decode("utf-8", "surrogatepass")

    async def read(self, name: str, data: bytes, *, tenant: str = "") -> ReadFile:
        written = json.loads(await self._run(READ_WITH_LOSSES, {"name": name}, data, tenant=tenant))
        return ReadFile(written["text"], tuple(written["losses"]))

    async def document(self, path: Path) -> Document:
        """Read a file of this machine as a document. Raises as `text` does."""
        written = await self._run(PARSE, {"name": path.name}, await asyncio.to_thread(bytes_of, path))
        return _documents.validate_python(json.loads(written), strict=False)

    async def _run(
        self, reader: str, work: Mapping[str, Any], data: bytes, *, tenant: str = "", page: bool = False
    ) -> bytes:
        """Return what a reader makes of a file in a process of its own."""
        name = str(work["name"])
        seconds = self._settings.page_seconds if page else self._settings.document_seconds
        limits = Limits(
            time=timedelta(seconds=WALL_CLOCK * seconds),
            processor=timedelta(seconds=seconds),
            memory=self._settings.memory_mib * MEBIBYTE,
            output=self._settings.output_mib * MEBIBYTE,
        )
        try:
            return await self._pool.run(reader, work, data, limits, caller=tenant, longest_wait=LONGEST_WAIT)
        except Stopped as stopped:
            self._log.warning("document_stopped", limit=stopped.exceeded.value, before=stopped.before)
            raise ReadingStopped(self._stopped(name, stopped, page=page)) from None
        except Failed as failure:
            if failure.error in _ERRORS:
                raise _ERRORS[failure.error](failure.message) from None
            self._log.warning("document_reader_broke", error=failure.error, where=failure.where)
            reason = f"reading it fails ({failure.error} at {failure.where})"
            raise unreadable(Path(name), reason, "save it anew or convert it to another format") from None
        except (Busy, NoProcess) as error:
            raise ReadersBusy(f"cannot read {name!r} now: {error}; try later") from None

    @property
    def kills(self) -> int:
        """The processes that were killed at a limit."""
        return self._pool.kills

    def warm_up(self) -> None:
        """Load the readers in the background, so that the first document waits for no imports."""
        threading.Thread(target=self._load, name="perdure-warm-up", daemon=True).start()

    def _load(self) -> None:
        with suppress(NoProcess):  # the first document says so
            fork_server(PRELOAD).start()

    def close(self) -> None:
        """Kill the processes; what they read is lost."""
        self._pool.close()

    def _stopped(self, name: str, stopped: Stopped, *, page: bool) -> str:
        settings = self._settings
        processor = settings.page_seconds if page else settings.document_seconds
        seconds = f"PERDURE_FOREIGN_WORK__{'PAGE' if page else 'DOCUMENT'}_SECONDS"
        limit = {
            Exceeded.TIME: f"reading it takes longer than {WALL_CLOCK * processor:g} s ({seconds})",
            Exceeded.PROCESSOR: f"reading it takes more than {processor:g} s of processor time ({seconds})",
            Exceeded.MEMORY: f"reading it needs more than {settings.memory_mib:,} MiB "
            "(PERDURE_FOREIGN_WORK__MEMORY_MIB)",
            Exceeded.OUTPUT: f"its text is longer than {settings.output_mib:,} MiB (PERDURE_FOREIGN_WORK__OUTPUT_MIB)",
            Exceeded.CRASH: "reading it ends its process",
        }[stopped.exceeded]
        again = ", as it did before" if stopped.before else ""
        return f"cannot read the document {name!r}: {limit}{again}; send a smaller or simpler one"


def parse(work: Mapping[str, Any], data: bytes) -> bytes:
    """Return the document of a file, as JSON."""
    return json.dumps(_documents.dump_python(parse_bytes(Path(str(work["name"])), data), mode="json")).encode()


def read(work: Mapping[str, Any], data: bytes) -> bytes:
    """Return the text of a file, or of a page in the encoding that its server named."""
    name, charset = str(work["name"]), work["charset"]
    if not charset:
        return read_text(name, data).encode("utf-8", "surrogatepass")
    text = _decoded(data, charset)
    if Path(name).suffix != ".html":
        return text.encode()
    # The server's encoding takes precedence over the page's own, but the HTML reader knows only the page's.
    return read_text(name, b'<meta charset="utf-8">' + text.encode()).encode("utf-8", "surrogatepass")


def read_with_losses(work: Mapping[str, Any], data: bytes) -> bytes:
    """Return the text of a file and what its reader left out, as JSON."""
    text, losses = read_file(str(work["name"]), data)
    shown = [loss[:LONGEST_LOSS] for loss in losses[:MOST_LOSSES]]
    if len(losses) > MOST_LOSSES:
        shown.append(f"and {len(losses) - MOST_LOSSES:,} more")
    return json.dumps({"text": text, "losses": shown}).encode()


def _decoded(data: bytes, charset: str) -> str:
    try:
        text = data.decode(charset).removeprefix("\ufeff")  # a byte order mark is no text
        text.encode()
    except (UnicodeError, LookupError, ValueError):
        raise NotInCharset(f"it is not the text in {charset!r} that it says it is") from None
    if "\0" in text:
        raise NotInCharset("it is binary, though it says it is text")
    return text
