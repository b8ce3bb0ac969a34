"""How chunks lie in Weaviate: names of classes and tenants, properties, filters, and the way back."""

import hashlib
import json
import secrets
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from typing import Any, Final, Self

from weaviate.classes.config import Configure, DataType, Property, Tokenization, VectorDistances
from weaviate.classes.data import DataObject
from weaviate.classes.query import Filter as Where

from activities.ports import Chunk, Filter, Issued

VECTOR: Final = "default"
"""Weaviate's name for the only vector of an object."""

_TENANT = 46
"""The longest of our tenants that has room in the name of one of Weaviate's, which has 64 characters at most."""

_SPACE = uuid.UUID("6e2c1f5a-5a0e-5d0c-9a3b-0d3c7f1b8a11")
"""Ours among all name-based UUIDs."""


@dataclass(frozen=True)
class Place:
    """Where one generation of a collection lies: a class, and a tenant of it that nobody else writes to."""

    dimensions: int
    collection: str
    generation: str

    @property
    def home(self) -> str:
        """The class: one for each collection and dimension, for all tenants."""
        # A collection's name has no underscore, so two collections never share a class.
        return f"Perdure{self.dimensions}_{self.collection.replace('-', '_')}"

    @classmethod
    def new(cls, dimensions: int, tenant: str, collection: str) -> Self:
        """A place where nothing lies yet."""
        return cls(dimensions, collection, f"{shortened(tenant)}--{int(time.time()):08x}{secrets.token_hex(4)}")

    def made_before(self, age: timedelta) -> bool:
        """Whether it was made longer ago than `age`, by this machine's clock."""
        return int(self.generation[-16:-8], 16) < time.time() - age.total_seconds()


def shortened(tenant: str) -> str:
    """A tenant's name, or its beginning and a digest: with an underscore, which no tenant's own name has."""
    return tenant if len(tenant) <= _TENANT else f"{tenant[:13]}_{hashlib.sha256(tenant.encode()).hexdigest()[:32]}"


def generation_of(tenant: str, name: str) -> bool:
    """Whether one of Weaviate's tenants is a generation of our tenant."""
    of, _, stamp = name.rpartition("--")
    return of == shortened(tenant) and len(stamp) == 16  # noqa: PLR2004 - as `Place.new` writes it


def identity(*parts: object) -> uuid.UUID:
    """The same for the same parts, and for no others."""
    return uuid.uuid5(_SPACE, repr(parts))


def schema() -> dict[str, Any]:
    """What a class of chunks is made of."""

    def text(name: str, **index: Any) -> Property:
        found: dict[str, Any] = {"index_filterable": False, "index_searchable": False, **index}
        return Property(name=name, data_type=DataType.TEXT, **found)

    whole = {"index_filterable": True, "tokenization": Tokenization.FIELD}
    return {
        "properties": [
            text("document"),
            # What a document is found by: even whole, a text is compared without the spaces around it.
            text("document_digest", **whole),
            Property(name="version", data_type=DataType.INT),
            text("title"),
            Property(name="effective", data_type=DataType.DATE),
            text("replaces"),
            Property(name="number", data_type=DataType.INT, index_filterable=False),
            text("edition", **whole),
            text("text", index_searchable=True, tokenization=Tokenization.WORD),
        ],
        "multi_tenancy_config": Configure.multi_tenancy(enabled=True, auto_tenant_creation=False),
        "inverted_index_config": Configure.inverted_index(index_null_state=True),
        "vector_config": Configure.Vectors.self_provided(
            vector_index_config=Configure.VectorIndex.hnsw(distance_metric=VectorDistances.COSINE)
        ),
    }


def stored(chunk: Chunk) -> DataObject[dict[str, Any], None]:
    """A chunk as Weaviate keeps it, under an id of its own: storing it again stores the same object."""
    properties: dict[str, Any] = {
        "document": chunk.document,
        "document_digest": _digest(chunk.document),
        "version": chunk.version,
        "title": chunk.title,
        "number": chunk.number,
        "text": chunk.text,
        # All that `editions` lists, in one value that can be counted by.
        "edition": edition(Issued(chunk.document, chunk.version, chunk.title, chunk.effective, chunk.replaces)),
    }
    if chunk.effective is not None:
        properties["effective"] = _midnight(chunk.effective)
    if chunk.replaces is not None:
        properties["replaces"] = chunk.replaces
    return DataObject(
        properties=properties,
        uuid=identity(chunk.document, chunk.version, chunk.number),
        vector=list(chunk.vector),
    )


def loaded(properties: Mapping[str, Any], vector: Sequence[float]) -> Chunk:
    """The chunk that is kept so."""
    effective: datetime | None = properties.get("effective")
    return Chunk(
        document=properties["document"],
        version=int(properties["version"]),
        title=properties["title"],
        effective=None if effective is None else effective.date(),
        replaces=properties.get("replaces"),
        number=int(properties["number"]),
        text=properties["text"],
        vector=tuple(vector),
    )


def conditions(only: Filter) -> Any:
    """The filter in Weaviate's terms; None for none. An empty tuple must be answered before it is asked."""
    parts: list[Any] = []
    if only.documents is not None:
        wanted = [_digest(document) for document in only.documents]
        parts.append(Where.by_property("document_digest").contains_any(wanted))
    if only.versions is not None:
        parts.append(Where.by_property("version").contains_any(list(only.versions)))
    if only.effective_by is not None:
        effective = Where.by_property("effective")
        parts.append(Where.any_of([effective.is_none(val=True), effective.less_or_equal(_midnight(only.effective_by))]))
    return Where.all_of(parts) if parts else None


def of_document(document: str, version: int | None) -> Any:
    """The chunks of a document, of one version or of all."""
    return conditions(Filter(documents=(document,), versions=None if version is None else (version,)))


def edition(issued: Issued) -> str:
    """An edition as one value."""
    effective = "" if issued.effective is None else issued.effective.isoformat()
    return json.dumps([issued.document, issued.version, issued.title, effective, issued.replaces])


def issued(edition: str) -> Issued:
    """The edition that is written so."""
    document, version, title, effective, replaces = json.loads(edition)
    return Issued(document, version, title, date.fromisoformat(effective) if effective else None, replaces)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _midnight(day: date) -> datetime:
    return datetime.combine(day, clock(), UTC)
