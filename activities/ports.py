"""What activities need from the world, and the errors with which the world answers. No vendor is named here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar, Protocol

from perdure.contracts.budget import Spend
from perdure.contracts.guards import GuardSpec, Verdict
from perdure.contracts.knowledge import Citation
from perdure.contracts.spec import Deployment
from perdure.contracts.steps import Generated, StepKey
from perdure.contracts.text import Text


class PortError(Exception):
    """The world said no. The message says what failed, the value, and what to do about it."""

    final: ClassVar[bool] = False
    """Whether trying again is pointless."""
    free_of_charge: ClassVar[bool] = False
    """Whether a paid attempt that ended so is known to have cost nothing."""


class NotConfigured(PortError):
    """A name that no file here defines: an unknown chain, tier or guard."""

    final = True
    free_of_charge = True


class ModelUnreachable(PortError):
    """Nothing answered at the endpoint, so nothing was bought."""

    free_of_charge = True


class ModelFailed(PortError):
    """The call broke after it was sent: what it cost is unknown."""


class ModelRefused(PortError):
    """The model's server refused the request; the same one would be refused again."""

    final = True
    free_of_charge = True


class ModelOverloaded(PortError):
    """The model's server refused for now, before doing any work."""

    free_of_charge = True


class StorageFull(PortError):
    """The disk is full. What was written before is safe."""


class StorageFailed(PortError):
    """The database did not do what it was asked."""


class BodyMissing(PortError):
    """A text was asked for by a digest that the blob store does not hold for this tenant."""

    final = True


class BodyCorrupt(PortError):
    """The blob store holds a body that does not have its digest."""

    final = True


class UnknownCollection(PortError):
    """The tenant has no such collection of documents."""

    final = True


class UnreadableDocument(PortError):
    """A document cannot be parsed."""

    final = True


@dataclass(frozen=True)
class Message:
    """One message of a prompt."""

    role: str
    """`system`, `user` or `assistant`."""
    content: str


@dataclass(frozen=True)
class Completion:
    """What a model replied."""

    content: str
    model: str
    """The model as its server names itself."""
    finish_reason: str
    input_tokens: int
    """From the server's own usage report."""
    output_tokens: int
    cached_tokens: int
    """Input tokens that were served from the prefix cache."""


class Model(Protocol):
    """A model behind an OpenAI-compatible server."""

    async def complete(
        self,
        deployment: str,
        messages: Sequence[Message],
        *,
        max_output_tokens: int,
        schema: Mapping[str, Any] | None = None,
    ) -> Completion:
        """Complete a prompt, held to a JSON schema where one is given.

        Raises `ModelUnreachable`, `ModelOverloaded`, `ModelRefused`, `ModelFailed`, or `NotConfigured` for an unknown
        deployment. Retries nothing: the workflow does.
        """
        ...


class Catalogue(Protocol):
    """The deployments that a tier may use."""

    def deployment_for(self, tier: str) -> Deployment:
        """The first deployment of a tier. Raises `NotConfigured` and names the tiers that exist."""
        ...


class Embedder(Protocol):
    """Turns text into unit vectors."""

    dimensions: int

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector of `dimensions` floats, length 1, for each text."""
        ...


@dataclass(frozen=True)
class Issued:
    """One edition of a document that a collection holds."""

    document: str
    version: int
    title: str
    effective: date | None
    """The day from which it applies; None where the document does not say."""
    replaces: str | None
    """The id of another document that it replaces; None for none."""


@dataclass(frozen=True)
class Chunk:
    """A piece of a document, as the store keeps it."""

    document: str
    version: int
    title: str
    effective: date | None
    replaces: str | None
    """The id of another document that this one replaces; None for none."""
    number: int
    """Its place in the document, from 0."""
    text: str
    vector: tuple[float, ...]


@dataclass(frozen=True)
class Hit:
    """A chunk that was found."""

    chunk: Chunk
    score: float
    """Fused lexical and vector rank; higher is better; comparable within one search only."""
    similarity: float
    """Cosine of query and chunk, -1 to 1."""


class VectorStore(Protocol):
    """Keeps chunks by tenant and collection, and finds them by words and by meaning."""

    async def replace(self, tenant: str, collection: str, chunks: Sequence[Chunk]) -> None:
        """Make these the collection's chunks, all at once: a reader sees the old ones or the new ones."""
        ...

    async def search(self, tenant: str, collection: str, query: str, vector: Sequence[float], limit: int) -> list[Hit]:
        """The best chunks, best first. Raises `UnknownCollection`."""
        ...

    async def editions(self, tenant: str, collection: str) -> list[Issued]:
        """Every edition of every document. Raises `UnknownCollection`."""
        ...

    async def count(self, tenant: str, collection: str) -> int:
        """How many chunks the collection holds; 0 where it does not exist."""
        ...


class BlobStore(Protocol):
    """Keeps bodies by tenant and digest."""

    async def put(self, tenant: str, body: bytes) -> str:
        """Store a body and return its SHA-256. Storing it again changes nothing."""
        ...

    async def put_all(self, tenant: str, bodies: Sequence[bytes]) -> list[str]:
        """As `put`, for several bodies at once."""
        ...

    async def get(self, tenant: str, digest: str) -> bytes:
        """The body. Raises `BodyMissing` or `BodyCorrupt`."""
        ...

    async def get_all(self, tenant: str, digests: Sequence[str]) -> list[bytes]:
        """As `get`, for several bodies at once, in the order of their digests."""
        ...


class PaidReplies(Protocol):
    """Remembers every paid attempt before its call and every reply before it is acknowledged."""

    async def begin(self, key: StepKey, attempt: int) -> Generated | None:
        """The step's saved reply, if there is one; otherwise records this attempt and returns None.

        A saved reply comes with all charges known by now; those of `attempt` itself are zero, since it buys nothing.
        """
        ...

    async def save(self, key: StepKey, attempt: int, reply: Generated, charge: Spend) -> Generated:
        """Save what an attempt bought. The first reply saved for a step is the one that every attempt returns."""
        ...

    async def attempts(self, key: StepKey) -> dict[int, Spend | None]:
        """What each recorded attempt cost; None where that is unknown."""
        ...


@dataclass(frozen=True)
class Subject:
    """What guards look at."""

    text: str
    citations: tuple[Citation, ...] = ()
    passages: tuple[Text, ...] = ()
    """The cited passages with their bodies, in the order of the citations."""


class Guards(Protocol):
    """Runs guards by name."""

    async def run(self, guards: Sequence[GuardSpec], subject: Subject) -> tuple[Verdict, ...]:
        """All guards in parallel, a verdict for each, in their order. Raises `NotConfigured` for an unknown one."""
        ...
