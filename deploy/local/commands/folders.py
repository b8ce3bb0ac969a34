"""Reads the documents of a folder: one file that cannot be read, or is none, stops no other."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from activities.adapters.documents.document import Document, Loss
from activities.ports import UnreadableDocument
from activities.settings import load
from deploy.processes.errors import DeployError

Report = Callable[[str, int, int], None]
"""A callback of progress: the work's name, how much of it is done, and the total."""

_SHOWN_FILES = 40
"""The most files whose losses are shown one by one."""
_SHOWN_LOSSES = 6
"""The most losses of one file that are shown."""


@dataclass(frozen=True)
class FileReport:
    """What became of one file."""

    file: str
    """Its path in the folder."""
    document: str = ""
    """The id of its document; empty for a file that was left out."""
    version: int = 0
    losses: tuple[str, ...] = ()
    """The parts of the file that are not in its document, in plain words."""
    reason: str = ""
    """Why it was left out, and what to do; empty for a file that was read."""


async def read_folder(folder: Path, progress: Report, *, strict: bool) -> tuple[list[Document], tuple[FileReport, ...]]:
    """Read every file of a folder, in processes that are killed at a limit; return the documents and a report of each.

    A file is left out where it cannot be read, and where another one has its id and version. Raises
    `UnreadableDocument` for such a file if `strict`, and where none can be read.
    """
    from activities.adapters.documents.files import FileDocuments

    files = files_in(folder)
    documents: dict[tuple[str, int], tuple[str, Document]] = {}
    reports: list[FileReport] = []
    with closing(FileDocuments(load().foreign_work)) as readers:
        for number, path in enumerate(files, 1):
            name = str(path.relative_to(folder))
            try:
                document = _with_own_id(name, path, await readers.document(path), documents)
            except UnreadableDocument as error:
                if strict:
                    raise
                reports.append(FileReport(name, reason=str(error)))
            else:
                documents[document.id, document.version] = (name, document)
                reports.append(FileReport(name, document.id, document.version, tuple(map(str, document.losses))))
            progress("read documents", number, len(files))
    if not documents:
        raise UnreadableDocument(f"none of the {len(files)} files can be indexed: {_first_reasons(reports)}")
    return [document for _, document in documents.values()], tuple(reports)


def require_complete(reports: Iterable[FileReport]) -> None:
    """Raise `UnreadableDocument` for the first file that was left out."""
    for report in reports:
        if report.reason:
            raise UnreadableDocument(report.reason)


def files_in(folder: Path) -> list[Path]:
    """Return the folder's files in a fixed order. Raises `DeployError` where there are none."""
    if not folder.is_dir():
        raise DeployError(f"cannot index {str(folder)!r}: it is not a folder; name a folder of documents")
    found = (path for path in folder.rglob("*") if path.is_file())
    files = [path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    # Those of the folder itself first: of two files with one name, the outer one keeps it.
    files.sort(key=lambda path: (len(path.parts), path))
    if not files:
        raise DeployError(f"cannot index {str(folder)!r}: it holds no files; name a folder of documents")
    return files


def reported(reports: Sequence[FileReport]) -> list[str]:
    """Return the lines that say what is not in the index: of which files something, which files, and how many."""
    lossy = [report for report in reports if report.losses]
    refused = [report for report in reports if report.reason]
    lines = [f"not read of {report.file}: {_shown(report.losses)}" for report in lossy[:_SHOWN_FILES]]
    if len(lossy) > _SHOWN_FILES:
        lines.append(f"not read of {len(lossy) - _SHOWN_FILES} more files: see corpus.json beside the index")
    lines.extend(f"left out {report.file}: {_without_name(report)}" for report in refused)
    if refused or lossy:
        lines.append(
            f"{len(reports) - len(refused)} of {len(reports)} files are indexed, {len(refused)} left out; "
            f"of {len(lossy)} something was not read"
        )
    return lines


def _with_own_id(
    name: str, path: Path, document: Document, documents: dict[tuple[str, int], tuple[str, Document]]
) -> Document:
    """Return the document; under its path where another file has the name that it is known by.

    Raises `UnreadableDocument` where another one has the id that it states itself.
    """
    taken = documents.get((document.id, document.version))
    if taken is None:
        return document
    if document.id != path.stem or (name, document.version) in documents:
        raise UnreadableDocument(
            f"cannot index {path.name!r}: {Path(taken[0]).name!r} is version {document.version} of "
            f"{document.id!r} too; give one of them another id or version"
        )
    notice = Loss(f"its id {document.id!r}, which {taken[0]!r} has: it is known as {name!r}")
    return replace(document, id=name, losses=(*document.losses, notice))


def _shown(losses: Sequence[str]) -> str:
    shown = "; ".join(losses[:_SHOWN_LOSSES])
    return shown if len(losses) <= _SHOWN_LOSSES else f"{shown}; and {len(losses) - _SHOWN_LOSSES} more"


def _without_name(report: FileReport) -> str:
    """Return the reason without the name of the file, which stands before it."""
    return report.reason.removeprefix(f"cannot read the document {Path(report.file).name!r}: ")


def _first_reasons(reports: Sequence[FileReport]) -> str:
    shown = "; ".join(f"{report.file}: {_without_name(report)}" for report in reports[:3])
    return shown if len(reports) <= 3 else f"{shown}; and {len(reports) - 3} more"  # noqa: PLR2004 - those above
