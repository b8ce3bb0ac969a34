"""What a tool may reach of the world, as small protocols: it comes with the context, and no tool opens anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal, Protocol

from pydantic import JsonValue

from perdure.contracts.tool_calls.tools import AllowedHosts
from tools.errors import NotAllowed

Method = Literal["GET", "POST", "PUT", "DELETE"]


@dataclass(frozen=True)
class Extract:
    """A piece of a document that was found."""

    document: str
    version: int
    title: str
    text: str


@dataclass(frozen=True)
class Document:
    """The whole text of one edition of a document."""

    document: str
    version: int
    title: str
    effective: date | None
    """The day from which it applies; None where it does not say."""
    text: str
    superseded_by: tuple[str, int] | None = None
    """The document and version that apply in its place today; None where it applies itself."""


class Knowledge(Protocol):
    """The documents of one tenant that an agent may use."""

    async def search(self, query: str, limit: int) -> Sequence[Extract]:
        """The best pieces of what applies today, best first. Raises `NotFound` or `Unreachable`."""
        ...

    async def read(self, document: str, version: int | None = None) -> Document:
        """A document by its id, in the edition that applies today unless one is named.

        Raises `NotFound`, which names ids that are like it, or `Unreachable`.
        """
        ...


@dataclass(frozen=True)
class Page:
    """What a public address answered, as text."""

    url: str
    """Where it came from in the end."""
    kind: str
    """Its media type, `text/html`."""
    text: str
    """Readable text; of HTML, what its article says."""


class Http(Protocol):
    """The network, as far as a tool may use it."""

    async def get(self, url: str, hosts: AllowedHosts) -> Page:
        """The page at a public address, wherever it redirects to among the hosts that are allowed.

        Raises `NotAllowed`, `Unreachable`, `Refused` or `Unusable`.
        """
        ...

    async def call(
        self, service: str, method: Method, path: str, body: Mapping[str, JsonValue] | None = None, *, key: str
    ) -> JsonValue:
        """Call a service that the operator named, with the key as its `Idempotency-Key`; returns what it answers.

        Raises `NotAllowed`, `Unreachable`, `Refused`, or `NoAnswer` where it may have happened all the same.
        """
        ...


HINT = "run it where the platform supplies them, or by hand with `python -m deploy.local tool`"


class NoKnowledge:
    """`Knowledge` where there are no documents."""

    async def search(self, query: str, limit: int) -> Sequence[Extract]:
        raise NotAllowed(f"there are no documents here to search: {HINT}")

    async def read(self, document: str, version: int | None = None) -> Document:
        raise NotAllowed(f"there are no documents here to read: {HINT}")


class NoHttp:
    """`Http` where there is no network."""

    async def get(self, url: str, hosts: AllowedHosts) -> Page:
        raise NotAllowed(f"there are no pages here to get: {HINT}")

    async def call(
        self, service: str, method: Method, path: str, body: Mapping[str, JsonValue] | None = None, *, key: str
    ) -> JsonValue:
        raise NotAllowed(f"there are no services here to call: {HINT}")
