"""The protocols through which tools reach the world: the context supplies them, and no tool opens anything itself."""

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
    """A passage of a document that a search returned."""

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
    """The day from which it applies; None where the document states none."""
    text: str
    superseded_by: tuple[str, int] | None = None
    """The document and version that replace it today; None where it still applies."""


class Knowledge(Protocol):
    """The documents of one tenant that an agent may use."""

    async def search(self, query: str, limit: int) -> Sequence[Extract]:
        """Return the best passages of the editions that apply today, best first. Raises `NotFound` or `Unreachable`."""
        ...

    async def read(self, document: str, version: int | None = None) -> Document:
        """Return a document by its id, in the edition that applies today unless `version` names another.

        Raises `NotFound`, which names similar ids, or `Unreachable`.
        """
        ...


@dataclass(frozen=True)
class Page:
    """A page of a public address, as text."""

    url: str
    """The address after all redirects."""
    kind: str
    """The media type, such as `text/html`."""
    text: str
    """Readable text; of HTML, the article alone."""


class Http(Protocol):
    """The part of the network that a tool may use."""

    async def get(self, url: str, hosts: AllowedHosts) -> Page:
        """Return the page at a public address; redirects are followed among the allowed hosts only.

        Raises `NotAllowed`, `Unreachable`, `ServiceRefused` or `Unusable`.
        """
        ...

    async def call(
        self, service: str, method: Method, path: str, body: Mapping[str, JsonValue] | None = None, *, key: str
    ) -> JsonValue:
        """Call a service that the operator named, with `key` as its `Idempotency-Key`; return its answer.

        Raises `NotAllowed`, `Unreachable`, `ServiceRefused`, or `NoAnswer` where the call may have happened.
        """
        ...


HINT = "run it where the platform supplies them, or by hand with `perdure tool`"


class NoKnowledge:
    """The `Knowledge` without any document: every call raises `NotAllowed`."""

    async def search(self, query: str, limit: int) -> Sequence[Extract]:
        raise NotAllowed(f"there are no documents here to search: {HINT}")

    async def read(self, document: str, version: int | None = None) -> Document:
        raise NotAllowed(f"there are no documents here to read: {HINT}")


class NoHttp:
    """The `Http` without a network: every call raises `NotAllowed`."""

    async def get(self, url: str, hosts: AllowedHosts) -> Page:
        raise NotAllowed(f"there are no pages here to get: {HINT}")

    async def call(
        self, service: str, method: Method, path: str, body: Mapping[str, JsonValue] | None = None, *, key: str
    ) -> JsonValue:
        raise NotAllowed(f"there are no services here to call: {HINT}")
