"""Model servers as their operators see them: are they well, what do they serve, how busy are they, which adapters."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Health:
    """Whether a deployment can be called."""

    ready: bool
    reason: str
    """Why not, and what to do about it; empty where it is ready."""
    models: tuple[str, ...] = ()
    """What its server serves, adapters as `base:adapter`; empty where it did not say."""
    context_window: int | None = None
    """Tokens that its server takes, prompt and answer together; None where it did not say."""


@dataclass(frozen=True)
class Load:
    """How busy a deployment's server is. None for what it does not tell."""

    running: int | None = None
    """Requests that it works on."""
    waiting: int | None = None
    """Requests that wait their turn."""
    token_usage: float | None = None
    """How much of its memory for tokens is taken, from 0 to 1."""
    cache_hit_rate: float | None = None
    """How many of the tokens of prompts came from the prefix cache, from 0 to 1."""
    tokens_per_second: float | None = None
    """Tokens that it writes each second, for all requests together."""
    aborted: int | None = None
    """Requests that were stopped since it started."""


class ModelServers(Protocol):
    """The servers behind the deployments of a catalogue."""

    async def health(self, deployment: str) -> Health:
        """Whether it can be called. Never raises for a server: that it does not answer is what was asked.

        Raises `NotConfigured` for an unknown deployment.
        """
        ...

    async def load(self, deployment: str) -> Load:
        """How busy it is. Raises `ModelUnreachable`, `ModelUnusable`, or `NotConfigured`."""
        ...

    async def load_adapter(self, deployment: str, adapter: str, path: str) -> None:
        """Have its server load a LoRA adapter from a path on the server's own disk.

        Raises `ModelUnreachable`, `ModelUnusable`, `ModelRefused`, or `NotConfigured` where it serves no adapters.
        """
        ...

    async def unload_adapter(self, deployment: str, adapter: str) -> None:
        """Have its server forget a LoRA adapter. Raises as `load_adapter` does."""
        ...
