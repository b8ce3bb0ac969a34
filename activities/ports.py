"""What activities need from the world, and the errors with which the world answers. No vendor is named here."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, ClassVar, Protocol, TypeAlias, TypeVar

from perdure.contracts.budget import Spend
from perdure.contracts.extraction import Problem, Record
from perdure.contracts.guards import GuardSpec, Verdict
from perdure.contracts.knowledge import Citation
from perdure.contracts.remedy import Remedy
from perdure.contracts.spec import Deployment
from perdure.contracts.steps import PaidReply, StepKey
from perdure.contracts.text import Text


class PortError(Exception):
    """The world said no. The message says what failed, the value, and what to do about it."""

    final: ClassVar[bool] = False
    """Whether trying again is pointless."""
    free_of_charge: ClassVar[bool] = False
    """Whether a paid attempt that ended so is known to have cost nothing."""
    remedy: ClassVar[Remedy] = Remedy.RETRY
    """What a paid attempt that ended so asks for."""

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """How long the world asked to be left alone; None where it did not say."""


class NotConfigured(PortError):
    """A name that no file here defines: an unknown chain, tier or guard."""

    final = True
    free_of_charge = True
    remedy = Remedy.GIVE_UP


class ModelUnreachable(PortError):
    """Nothing answered at the endpoint, so nothing was bought: another deployment of the tier may answer."""

    free_of_charge = True
    remedy = Remedy.FALL_BACK


class ModelUnusable(PortError):
    """The endpoint answers, but not as this deployment: a wrong key, an unknown model, no quota left.

    Nothing was bought, and asking it again would not help; another deployment of the tier may.
    """

    free_of_charge = True
    remedy = Remedy.FALL_BACK


class WrongModel(ModelUnusable):
    """Another model answered than the deployment names. Its reply is not used, and what it cost is unknown."""

    free_of_charge = False


class ModelFailed(PortError):
    """The call broke after it was sent: what it cost is unknown."""


class ModelRefused(PortError):
    """The model's server refused the request; the same one would be refused again, here and elsewhere."""

    final = True
    free_of_charge = True
    remedy = Remedy.GIVE_UP


class ModelOverloaded(PortError):
    """The model's server refused for now, before doing any work."""

    free_of_charge = True


class CircuitOpen(PortError):
    """This endpoint failed so often lately that it is left alone for a while. Nothing was sent."""

    free_of_charge = True
    remedy = Remedy.CIRCUIT_OPEN


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
class ToolCall:
    """A tool that a model asks for."""

    id: str
    """The model's own name for this call, which the message with its result repeats."""
    name: str
    arguments: str
    """JSON, as the model wrote it: nothing is checked yet."""


@dataclass(frozen=True)
class Message:
    """One message of a prompt."""

    role: str
    """`system`, `user`, `assistant` or `tool`."""
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    """The tools that an `assistant` message asked for."""
    tool_call_id: str | None = None
    """Whose result a `tool` message is."""


@dataclass(frozen=True)
class ToolSchema:
    """A tool, as a model sees it."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    """The JSON schema of its arguments."""


@dataclass(frozen=True)
class Prompt:
    """What a model is asked. What stays the same from call to call comes first, so that its computation is reused."""

    messages: Sequence[Message]
    schema: Mapping[str, Any] | None = None
    """The JSON schema that the reply is held to; None for free text."""
    tools: Sequence[ToolSchema] = ()
    """What the model may call; with a schema as well, it either calls or answers by the schema."""
    tool_required: bool = False
    """Whether it must call one of the tools."""


@dataclass(frozen=True)
class Sampling:
    """How the reply is drawn."""

    max_output_tokens: int
    temperature: float = 0.0
    seed: int = 0
    logprobs: int = 0
    """How many of the likeliest tokens to report at each place; 0 for no log probabilities."""


@dataclass(frozen=True)
class TokenLogprob:
    """One token of a reply, with its log probability and the likeliest ones in its place."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Usage:
    """What a call used, from the server's own report."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    """Input tokens that were served from the prefix cache."""


@dataclass(frozen=True)
class Completion:
    """What a model replied."""

    content: str
    model: str
    """The model as its server names itself."""
    finish_reason: str
    """`stop`, `length`, `tool_calls`, or `content_filter` where the provider withheld the reply and charges for it."""
    usage: Usage
    tool_calls: tuple[ToolCall, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()
    first_token_ms: float | None = None
    """Milliseconds from the call to the first piece of the reply; None where it did not stream."""


Heard: TypeAlias = Callable[[str, Usage | None], Awaitable[None]]
"""Hears each piece of a reply as it comes, with what the call used so far where the server reports that on the way."""


class Model(Protocol):
    """Models behind their servers, by deployment."""

    async def complete(
        self, deployment: str, prompt: Prompt, sampling: Sampling, heard: Heard | None = None
    ) -> Completion:
        """Complete a prompt; the reply streams where somebody hears it.

        Raises `ModelUnreachable`, `ModelUnusable`, `ModelOverloaded`, `ModelRefused`, `ModelFailed`, `CircuitOpen`, or
        `NotConfigured` for an unknown deployment or one that cannot do what the prompt asks for. Retries nothing: the
        workflow does. Cancelling it closes the provider's socket.
        """
        ...


class Catalogue(Protocol):
    """The deployments that a tier may use."""

    def deployment_for(self, tier: str, excluding: Sequence[str] = ()) -> Deployment:
        """The first deployment of a tier that is not excluded; the very first where all are.

        Raises `NotConfigured` and names the tiers that exist.
        """
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


Paid = TypeVar("Paid", bound=PaidReply)


class PaidReplies(Protocol):
    """Remembers every paid attempt before its call and every reply before it is acknowledged."""

    async def begin(self, key: StepKey, attempt: int, reply: type[Paid]) -> Paid | None:
        """The step's saved reply, if there is one; otherwise records this attempt and returns None.

        A saved reply comes with all charges known by now; those of `attempt` itself are zero, since it buys nothing.
        """
        ...

    async def save(self, key: StepKey, attempt: int, reply: Paid, charge: Spend, texts: Sequence[Text] = ()) -> Paid:
        """Save what an attempt bought, and the bodies of these texts with it, in one transaction.

        The first reply saved for a step is the one that every attempt returns.
        """
        ...

    async def attempts(self, key: StepKey) -> dict[int, Spend | None]:
        """What each recorded attempt cost; None where that is unknown."""
        ...


@dataclass(frozen=True, order=True)
class Position:
    """How far a reader of a token log is."""

    attempt: int = 0
    """0 before the first."""
    offset: int = 0
    """Characters of this attempt that were read."""


@dataclass(frozen=True)
class Reset:
    """Another attempt begins: what was shown of the one before it is void."""

    position: Position


@dataclass(frozen=True)
class Piece:
    """The next characters of the attempt."""

    text: str
    position: Position
    """After this piece: a reader that goes on from here misses nothing and sees nothing twice."""


@dataclass(frozen=True)
class End:
    """The attempt has said all that it will say."""

    position: Position


LogEntry: TypeAlias = Reset | Piece | End


class TokenLog(Protocol):
    """What paid steps say while they say it, for people who wait. The durable answer is the step's reply.

    Kept for each step (tenant, run, step) by attempt and offset in characters. A log may be gated: what is written
    then, and that it is written, stays hidden until the run's gate of that name is opened. What is done late, for an
    attempt that a later one has voided, changes nothing. Every method raises `StorageFailed`, and those that write
    `StorageFull`; each may be repeated.
    """

    async def begin(self, key: StepKey, attempt: int, gate: str | None = None) -> None:
        """Begin an attempt, from 1, which voids the earlier ones. Beginning it again changes nothing."""
        ...

    async def append(self, key: StepKey, position: Position, text: str) -> None:
        """Write characters at a position of an attempt. Writing the same at the same position again changes nothing.

        Raises `StorageFailed` for a position beyond what is written, for an attempt that was not begun, and for more
        than an ended attempt holds.
        """
        ...

    async def end(self, key: StepKey, position: Position) -> None:
        """The attempt ends at this position, which is where its text ends: `StorageFailed` anywhere else."""
        ...

    async def open(self, tenant: str, run_id: str, gate: str) -> None:
        """Open a gate of a run, for as long as the run's steps are kept: everything behind it may be shown.

        It may be opened before anything is written. Opening it again changes nothing.
        """
        ...

    def read(self, key: StepKey, after: Position = Position()) -> AsyncIterator[LogEntry]:
        """Follow a step from a position, waiting for what is not yet written, until its newest attempt ended.

        An attempt other than the one in `after` is announced by `Reset`. An ended attempt that is followed by another
        one later is not waited for: read again from its end to see that one. Close the iterator when it is not read
        to its end.
        """
        ...

    async def forget(self, older_than: timedelta) -> int:
        """Delete the steps whose newest attempt began longer ago than this; how many that were."""
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


class Documents(Protocol):
    """Reads the text of files."""

    async def text(self, name: str, data: bytes) -> str:
        """The text of a file, by the ending of its name. Raises `UnreadableDocument`."""
        ...


class Rules(Protocol):
    """Checks business rules over a record."""

    async def check(self, rules: Sequence[GuardSpec], record: Record) -> tuple[Problem, ...]:
        """One problem for each rule that the record breaks, in their order.

        A field that is not stated breaks only the rules that require it. Raises `NotConfigured` for an unknown rule
        and for arguments that it cannot use.
        """
        ...
