"""Models behind their servers: what is asked of one, what it replies, and where it is to be had."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from perdure.contracts.chains.spec import Deployment, Prices


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


ANY_TOOL = "*"
"""A choice among all tools: no tool is called so."""


@dataclass(frozen=True)
class Prompt:
    """What a model is asked. What stays the same from call to call comes first, so that its computation is reused."""

    messages: Sequence[Message]
    schema: Mapping[str, Any] | None = None
    """The JSON schema that the reply is held to; None for free text."""
    tools: Sequence[ToolSchema] = ()
    """What the model may call; with a schema as well, it either calls or answers by the schema."""
    tool_choice: str | None = None
    """The name of the tool that it must call, or `ANY_TOOL` for one of them; None where it may answer as well.

    A server that holds no name gets the named tool alone: the rest of `tools` is for the calls that follow.
    """


@dataclass(frozen=True)
class Sampling:
    """How the reply is drawn."""

    max_output_tokens: int
    temperature: float = 0.0
    seed: int = 0
    logprobs: int = 0
    """How many of the likeliest tokens to report at each place; 0 for no log probabilities."""


@dataclass(frozen=True)
class Caller:
    """Who asks, as far as a model's server needs to know it. Providers that have no use for it ignore it."""

    tenant: str
    """Whose prompts may share a cached beginning; no server is told the name."""
    request_id: str
    """What the call is named: ids only, so that it may stand in anybody's log."""
    priority: int = 3
    """Temporal's: 1 to 5, and 1 is served first."""


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


def digest_of(prompt: Prompt) -> str:
    """The name of the exact request: messages, schema and tools as canonical JSON, in SHA-256.

    What a prompt does not have adds nothing, so that those without tools are named as they always were.
    """
    request: dict[str, object] = {"messages": [_said(message) for message in prompt.messages], "schema": prompt.schema}
    if prompt.tools:
        request["tools"] = [[tool.name, tool.description, dict(tool.parameters)] for tool in prompt.tools]
    if prompt.tool_choice is not None:
        request["tool_choice"] = prompt.tool_choice
    return hashlib.sha256(json.dumps(request, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _said(message: Message) -> list[object]:
    """A message, with what is said of tools where something is."""
    said: list[object] = [message.role, message.content]
    if message.tool_calls:
        said.append({"tool_calls": [[call.id, call.name, call.arguments] for call in message.tool_calls]})
    if message.tool_call_id is not None:
        said.append({"tool_call_id": message.tool_call_id})
    return said


class Model(Protocol):
    """Models behind their servers, by deployment."""

    async def complete(
        self, deployment: str, prompt: Prompt, sampling: Sampling, caller: Caller, heard: Heard | None = None
    ) -> Completion:
        """Complete a prompt; the reply streams where somebody hears it.

        Raises `ModelUnreachable`, `ModelUnusable`, `ModelOverloaded`, `ModelRefused`, `ModelFailed`, `CircuitOpen`, or
        `NotConfigured` for an unknown deployment or one that cannot do what the prompt asks for. Retries nothing: the
        workflow does. Cancelling it closes the provider's socket, and stops the work on a server that can be told to.
        """
        ...


class Catalogue(Protocol):
    """The deployments that a tier may use."""

    def deployment_for(self, tier: str, excluding: Sequence[str] = (), window: int | None = None) -> Deployment:
        """The first deployment of a tier that is not excluded; the very first where all are.

        One whose window holds fewer tokens than `window` is passed over, unless all of the tier are.

        Raises `NotConfigured` and names the tiers that exist.
        """
        ...

    def prices_of(self, deployment: str) -> tuple[Prices, int]:
        """A deployment's prices and its context window in tokens, as they are now. Raises `NotConfigured`."""
        ...
