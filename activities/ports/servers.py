"""The port for operating model servers: their health, their load and their LoRA adapters."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Health:
    """Whether a deployment can be called."""

    ready: bool
    reason: str
    """Why it is not ready, and what to do about it; empty if it is."""
    models: tuple[str, ...] = ()
    """The models that its server serves, adapters as `base:adapter`; empty if it did not report them."""
    context_window: int | None = None
    """The tokens of prompt and answer together that its server takes; None if it did not report that."""


@dataclass(frozen=True)
class Load:
    """The load of a deployment's server. None for each value that it does not report."""

    running: int | None = None
    """The requests in progress."""
    waiting: int | None = None
    """The requests in the queue."""
    token_usage: float | None = None
    """The share of its token memory in use, from 0 to 1."""
    cache_hit_rate: float | None = None
    """The share of prompt tokens from the prefix cache, from 0 to 1."""
    tokens_per_second: float | None = None
    """The tokens that it generates each second, for all requests together."""
    aborted: int | None = None
    """The requests that were aborted since it started."""


class ModelServers(Protocol):
    """The servers behind the deployments of a catalogue."""

    async def health(self, deployment: str) -> Health:
        """Return whether a deployment can be called. A server that does not answer raises nothing: it is not ready.

        Raises `NotConfigured` for an unknown deployment.
        """
        ...

    async def load(self, deployment: str) -> Load:
        """Return a deployment's load. Raises `ModelUnreachable`, `ModelUnusable`, or `NotConfigured`."""
        ...

    async def load_adapter(self, deployment: str, adapter: str, path: str) -> None:
        """Load a LoRA adapter into a deployment's server, from a path on the server's own disk.

        Raises `ModelUnreachable`, `ModelUnusable`, `ModelRefused`, or `NotConfigured` if it serves no adapters.
        """
        ...

    async def unload_adapter(self, deployment: str, adapter: str) -> None:
        """Unload a LoRA adapter from a deployment's server.

        Raises `ModelUnreachable`, `ModelUnusable`, `ModelRefused`, or `NotConfigured` if it serves no adapters.
        """
        ...
