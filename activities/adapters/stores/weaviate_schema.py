"""Converts chunks and filters to Weaviate's objects and back, and names its classes and tenants."""

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

from activities.adapters.stores.store_rules import words
from activities.ports import Chunk, Filter, Issued

VECTOR: Final = "default"
"""Weaviate's name for the only vector of an object."""

WORDS: Final = "words"
"""The property of a chunk's words, which classes of older versions lack."""

_MAX_TENANT_LENGTH = 46
"""The longest name of the platform's tenant that fits into the name of a Weaviate tenant, which has 64 characters."""

_UUID_NAMESPACE = uuid.UUID("6e2c1f5a-5a0e-5d0c-9a3b-0d3c7f1b8a11")
"""The platform's namespace for name-based UUIDs."""


@dataclass(frozen=True)
class Place:
    """The place of one generation of a collection: a class, and a tenant of it that only one writer writes to."""

    dimensions: int
    collection: str
    generation: str

    @property
    def home(self) -> str:
        """The class of Weaviate: one for each collection and dimension, for all tenants."""
        # A collection's name has no underscore, so two collections never share a class.
        return f"Perdure{self.dimensions}_{self.collection.replace('-', '_')}"

    @classmethod
    def new(cls, dimensions: int, tenant: str, collection: str) -> Self:
        """Return a new, empty place."""
        return cls(dimensions, collection, f"{shortened(tenant)}--{int(time.time()):08x}{secrets.token_hex(4)}")

    def made_before(self, age: timedelta) -> bool:
        """Return whether the place is older than `age`, by this machine's clock."""
        return int(self.generation[-16:-8], 16) < time.time() - age.total_seconds()


def shortened(tenant: str) -> str:
    """Return a tenant's name, or its start and a digest where it is too long, joined by an underscore.

    No tenant's own name has an underscore.
    """
    if len(tenant) <= _MAX_TENANT_LENGTH:
        return tenant
    return f"{tenant[:13]}_{hashlib.sha256(tenant.encode()).hexdigest()[:32]}"


def is_generation_of(tenant: str, name: str) -> bool:
    """Return whether a tenant of Weaviate is a generation of the platform's tenant."""
    shortened_tenant, _, stamp = name.rpartition("--")
    return shortened_tenant == shortened(tenant) and len(stamp) == 16  # noqa: PLR2004 - as `Place.new` writes it


def identity(*parts: object) -> uuid.UUID:
    """Return the UUID of the parts: the same one for the same parts only."""
    return uuid.uuid5(_UUID_NAMESPACE, repr(parts))


def schema() -> dict[str, Any]:
    """Return the schema of a class of chunks."""

    def text(name: str, **index: Any) -> Property:
        options: dict[str, Any] = {"index_filterable": False, "index_searchable": False, **index}
        return Property(name=name, data_type=DataType.TEXT, **options)

    whole = {"index_filterable": True, "tokenization": Tokenization.FIELD}
    return {
        "properties": [
            text("document"),
            # Documents are filtered by a digest, because Weaviate compares texts without the spaces around them.
            text("document_digest", **whole),
            Property(name="version", data_type=DataType.INT),
            text("title"),
            Property(name="effective", data_type=DataType.DATE),
            text("replaces"),
            Property(name="number", data_type=DataType.INT, index_filterable=False),
            text("edition", **whole),
            text("text", index_searchable=True, tokenization=Tokenization.WORD),
            words_property(),
        ],
        "multi_tenancy_config": Configure.multi_tenancy(enabled=True, auto_tenant_creation=False),
        "inverted_index_config": Configure.inverted_index(index_null_state=True),
        "vector_config": Configure.Vectors.self_provided(
            vector_index_config=Configure.VectorIndex.hnsw(distance_metric=VectorDistances.COSINE)
        ),
    }


def words_property() -> Property:
    """Return the property of a chunk's words, for texts whose words are searched in another form than they stand."""
    return Property(
        name=WORDS,
        data_type=DataType.TEXT,
        index_filterable=False,
        index_searchable=True,
        tokenization=Tokenization.WORD,
    )


def to_object(chunk: Chunk) -> DataObject[dict[str, Any], None]:
    """Return a chunk as Weaviate's object. Its id comes from the chunk's: storing it again replaces the object."""
    properties: dict[str, Any] = {
        "document": chunk.document,
        "document_digest": _digest(chunk.document),
        "version": chunk.version,
        "title": chunk.title,
        "number": chunk.number,
        "text": chunk.text,
        # All that `editions` returns, in one value that Weaviate can group by.
        "edition": edition(Issued(chunk.document, chunk.version, chunk.title, chunk.effective, chunk.replaces)),
    }
    if (searched := words(chunk.text)) != chunk.text:
        properties[WORDS] = searched
    if chunk.effective is not None:
        properties["effective"] = _midnight(chunk.effective)
    if chunk.replaces is not None:
        properties["replaces"] = chunk.replaces
    return DataObject(
        properties=properties,
        uuid=identity(chunk.document, chunk.version, chunk.number),
        vector=list(chunk.vector),
    )


def to_chunk(properties: Mapping[str, Any], vector: Sequence[float]) -> Chunk:
    """Return the chunk of an object's properties and vector."""
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
    """Return the filter in Weaviate's terms; None for none. Not for an empty tuple, which matches nothing."""
    parts: list[Any] = []
    if only.documents is not None:
        digests = [_digest(document) for document in only.documents]
        parts.append(Where.by_property("document_digest").contains_any(digests))
    if only.versions is not None:
        parts.append(Where.by_property("version").contains_any(list(only.versions)))
    if only.effective_by is not None:
        effective = Where.by_property("effective")
        parts.append(Where.any_of([effective.is_none(val=True), effective.less_or_equal(_midnight(only.effective_by))]))
    return Where.all_of(parts) if parts else None


def of_document(document: str, version: int | None) -> Any:
    """Return the filter for the chunks of a document, of one version or of all."""
    return conditions(Filter(documents=(document,), versions=None if version is None else (version,)))


def edition(issued: Issued) -> str:
    """Return an edition as one text."""
    effective = "" if issued.effective is None else issued.effective.isoformat()
    return json.dumps([issued.document, issued.version, issued.title, effective, issued.replaces])


def issued(edition: str) -> Issued:
    """Parse an edition that `edition` wrote."""
    document, version, title, effective, replaces = json.loads(edition)
    return Issued(document, version, title, date.fromisoformat(effective) if effective else None, replaces)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _midnight(day: date) -> datetime:
    return datetime.combine(day, clock(), UTC)
