"""Checks a file that is a ZIP archive, as office documents are, before any library inflates it."""

import io
import zipfile
from pathlib import Path

from activities.adapters.documents.document import unreadable

MAX_ENTRIES = 10_000
MAX_INFLATED = 300_000_000
"""The largest archive once it is inflated, in bytes."""
MAX_TEXT_PART = 100_000_000
"""The largest part of XML, in bytes."""
MAX_RATIO = 200
"""The most that a large part may grow when it is inflated: text grows some ten times, a bomb a thousand times."""
_LARGE = 5_000_000
"""The size, in bytes, from which on a part's ratio counts."""
_READ = 1 << 20


def require_sound(path: Path, data: bytes) -> None:
    """Raise `UnreadableDocument` for bytes that are no archive, and for an archive that grows beyond all bounds.

    Other faults of an archive are `parse_bytes`' to name.

    What an entry says about its size is not believed: every part of XML is inflated once, piece by piece.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check(path, archive)
    except zipfile.BadZipFile as error:  # an office file with a password is no archive
        remedy = "replace it by an intact copy, saved without a password"
        raise unreadable(path, f"it is not a sound {path.suffix} file ({error})", remedy) from None


def _check(path: Path, archive: zipfile.ZipFile) -> None:
    entries = archive.infolist()
    if len(entries) > MAX_ENTRIES:
        raise _bomb(path, f"{len(entries):,} parts")
    total = 0
    for entry in entries:
        if entry.flag_bits & 1:
            raise unreadable(path, "it is encrypted", "save it without a password")
        is_text = entry.filename.lower().endswith((".xml", ".rels"))
        size = _inflated(archive, entry) if is_text else entry.file_size
        total += size
        if size > MAX_TEXT_PART or total > MAX_INFLATED:
            raise _bomb(path, f"more than {total:,} bytes once it is unpacked")
        if size > _LARGE and size > MAX_RATIO * max(1, entry.compress_size):
            raise _bomb(path, f"a part that grows {size // max(1, entry.compress_size):,} times")


def _inflated(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> int:
    size = 0
    with archive.open(entry) as part:
        while piece := part.read(_READ):
            size += len(piece)
            if size > MAX_TEXT_PART:
                break
    return size


def _bomb(path: Path, what: str) -> Exception:
    return unreadable(path, f"it holds {what}", "save a smaller file")
