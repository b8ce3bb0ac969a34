"""Ports for models: the prompt, the completion, and the catalogue of deployments."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

from perdure.contracts.chains.spec import Deployment, Prices


@dataclass(frozen=True)
class ToolCall:
    """A tool call that a model asks for."""

    id: str
    """The model's id for this call, which the message with the result repeats."""
    name: str
    arguments: str
    """The text that the model wrote, meant to be JSON: nothing is checked yet."""


@dataclass(frozen=True)
class Message:
    """One message of a prompt."""

    role: str
    """`system`, `user`, `assistant` or `tool`."""
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    """The tool calls of an `assistant` message."""
    tool_call_id: str | None = None
    """The id of the call whose result a `tool` message holds."""


@dataclass(frozen=True)
class ToolSchema:
    """A tool in a prompt."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    """The JSON schema of its arguments."""


ANY_TOOL = "*"
"""The `tool_choice` for any tool. No tool has this name."""


@dataclass(frozen=True)
class Prompt:
    """A request to a model. The part that stays the same comes first, so that a server reuses its computation."""

    messages: Sequence[Message]
    schema: Mapping[str, Any] | None = None
    """The JSON schema that the reply must follow; None for free text."""
    tools: Sequence[ToolSchema] = ()
    """The tools that the model may call. With a schema as well, it either calls a tool or answers by the schema."""
    tool_choice: str | None = None
    """The name of the tool that it must call, or `ANY_TOOL` for any of them; None if it may also answer.

    A server that cannot enforce a name gets only the named tool: the rest of `tools` is for later calls.
    """


@dataclass(frozen=True)
class Sampling:
    """The sampling parameters of a reply."""

    max_output_tokens: int
    temperature: float = 0.0
    seed: int = 0
    logprobs: int = 0
    """The number of likeliest tokens to report at each position; 0 for no log probabilities."""


@dataclass(frozen=True)
class Caller:
    """The caller of a model, as far as its server needs to know it. Other providers ignore it."""

    tenant: str
    """The tenant, whose prompts may share a cached prefix. No server gets the name itself."""
    request_id: str
    """The call's id, made of ids only, so that any log may show it."""
    priority: int = 3
    """Temporal's priority, 1 to 5; 1 is served first."""


@dataclass(frozen=True)
class TokenLogprob:
    """One token of a reply, with its log probability and the likeliest tokens at its position."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Usage:
    """The usage of a call, as its server reported it.

    A count is None where the server reported none, or one that cannot be: what is missing is charged at its worst case.
    """

    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int = 0
    """Input tokens that were served from the prefix cache."""
    odd: str = ""
    """The counts that were reported and cannot be, such as `completion_tokens = -1`; empty where there are none."""


class FinishReason(StrEnum):
    """Why a reply ended, in one word for all providers. Each member is its string."""

    STOP = "stop"
    """The model was done."""
    LENGTH = "length"
    """It was cut at `max_output_tokens`, or at the end of the context window."""
    TOOL_CALLS = "tool_calls"
    """The model was done, and asks for tools."""
    CONTENT_FILTER = "content_filter"
    """The provider's filter withheld the reply or its rest, and charges for it."""
    PROMPT_FILTER = "prompt_filter"
    """The provider's filter did not let the prompt through. Its words, if any, are in `Completion.refusal`."""
    REFUSAL = "refusal"
    """The model declined to answer. Its words, if it gave any, are in `Completion.refusal`."""


@dataclass(frozen=True)
class Completion:
    """The reply of a model."""

    content: str
    """The text of the answer, exactly as it was shown while it streamed. It holds no reasoning and no refusal."""
    model: str
    """The model's name, as its server reports it."""
    finish_reason: str
    """Why the reply ended: a `FinishReason`. All but `stop` and `tool_calls` may have cut it anywhere."""
    usage: Usage
    tool_calls: tuple[ToolCall, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()
    first_token_ms: float | None = None
    """The milliseconds from the call to the first piece of the reply; None if it did not stream."""
    reasoning: str = ""
    """What the model thought before its answer, where its server tells. It is never shown, and is no part of it."""
    refusal: str = ""
    """The words with which the model declined to answer; empty if it did not, or gave none."""


OnPiece: TypeAlias = Callable[[str, Usage | None], Awaitable[None]]
"""Takes each piece of a reply as it arrives, and the usage so far if the server reports that while it streams."""


def digest_of(prompt: Prompt) -> str:
    """Return the SHA-256 of a prompt: its messages, schema and tools as canonical JSON.

    Absent fields add nothing, so that prompts without tools keep the digest that they always had.
    """
    request: dict[str, object] = {
        "messages": [_entry(message) for message in prompt.messages],
        "schema": prompt.schema,
    }
    if prompt.tools:
        request["tools"] = [[tool.name, tool.description, dict(tool.parameters)] for tool in prompt.tools]
    if prompt.tool_choice is not None:
        request["tool_choice"] = prompt.tool_choice
    return hashlib.sha256(json.dumps(request, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _entry(message: Message) -> list[object]:
    """Return a message's fields for the digest, those about tools only if they are set."""
    fields: list[object] = [message.role, message.content]
    if message.tool_calls:
        fields.append({"tool_calls": [[call.id, call.name, call.arguments] for call in message.tool_calls]})
    if message.tool_call_id is not None:
        fields.append({"tool_call_id": message.tool_call_id})
    return fields


class Model(Protocol):
    """Models behind their servers, by deployment."""

    async def complete(
        self, deployment: str, prompt: Prompt, sampling: Sampling, caller: Caller, heard: OnPiece | None = None
    ) -> Completion:
        """Complete a prompt. The reply streams if `heard` takes its pieces.

        Raises `ModelUnreachable`, `ModelUnusable`, `ModelOverloaded`, `ModelRefused`, `ModelFailed`, `CircuitOpen`, or
        `NotConfigured` for an unknown deployment or one that cannot do what the prompt asks for. Retries nothing: the
        workflow does. Cancelling it closes the provider's socket, and aborts the request on a server that supports it.
        """
        ...


class Catalogue(Protocol):
    """The deployments of each tier, and their prices."""

    def deployment_for(self, tier: str, excluding: Sequence[str] = (), window: int | None = None) -> Deployment:
        """Return the first deployment of a tier that is not excluded; the very first if all are.

        A deployment whose context window is smaller than `window` tokens is skipped, unless all of the tier are.

        Raises `NotConfigured` and names the tiers that exist.
        """
        ...

    def prices_of(self, deployment: str) -> tuple[Prices, int]:
        """Return a deployment's current prices and its context window, in tokens. Raises `NotConfigured`."""
        ...
