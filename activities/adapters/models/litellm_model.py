"""Calls models through LiteLLM as a library, without its router and its retries: the workflow retries."""

import asyncio
import logging
import time
import warnings
from collections.abc import Mapping
from typing import Any, cast

import httpx
import litellm
import structlog
from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler
from openai import AsyncOpenAI
from pydantic import SecretStr

from activities.adapters.model_servers.catalogue import CatalogueFile, DeploymentEntry
from activities.adapters.model_servers.connection import ModelWire
from activities.adapters.model_servers.provider_errors import Filtered
from activities.adapters.model_servers.served_models import ServedModels
from activities.adapters.model_servers.server_queries import QUERY_SECONDS, ServerQueries
from activities.adapters.models.litellm_request import arguments, require_capable
from activities.adapters.models.schema_tools import ChoiceReader, answer_so_far, as_choice, read_choice
from activities.adapters.models.sglang_dialect import fields, request_name
from activities.adapters.models.tool_text import CallText, before_call, whole_calls
from activities.ports import (
    Caller,
    CircuitOpen,
    Completion,
    FinishReason,
    ModelFailed,
    ModelOverloaded,
    ModelRefused,
    NotConfigured,
    OnPiece,
    PortError,
    Prompt,
    Sampling,
    SharedState,
    Usage,
)

setattr(litellm, "telemetry", False)  # noqa: B010 - its module does not declare the name
litellm.suppress_debug_info = True
litellm.drop_params = False
litellm.turn_off_message_logging = True
litellm.disable_streaming_logging = True
# LiteLLM's types make pydantic warn at the first call.
warnings.filterwarnings("ignore", message="Item '.*' on TypedDict class", category=UserWarning)
logging.getLogger("LiteLLM").setLevel(logging.ERROR)


def _unpriced(**_: object) -> float:
    return 0.0


# The catalogue has the prices. LiteLLM computes a price before the first token of each call, which takes milliseconds
# for a model that it does not know, and has no switch for that.
setattr(litellm, "response_cost_calculator", _unpriced)  # noqa: B010 - its own has the same parameters by name

SPARE_BYTES = 256 * 1024
TOKEN_BYTES, LOGPROB_BYTES = 1024, 512
"""The bytes that limit a reply: a streamed token is an event of a few hundred bytes, plus its log probabilities."""


class LiteLLMModel:
    """The model port over the deployments of a catalogue."""

    def __init__(
        self,
        catalogue: CatalogueFile,
        *,
        timeout_seconds: float,
        idle_seconds: float = 60,
        api_keys: Mapping[str, SecretStr] | None = None,
        shared: SharedState | None = None,
    ) -> None:
        """`api_keys`: by the name in an entry's `api_key`, or by deployment."""
        self._catalogue = catalogue
        self._timeout = timeout_seconds
        self._idle = idle_seconds
        self._keys = api_keys or {}
        self._tls = httpx.create_ssl_context()
        self._queries = ServerQueries(self._tls, seconds=min(QUERY_SECONDS, timeout_seconds / 2))
        self._served = ServedModels(self._queries, shared)

    async def complete(
        self,
        deployment: str,
        prompt: Prompt,
        sampling: Sampling,
        caller: Caller,
        heard: OnPiece | None = None,
    ) -> Completion:
        entry = self._catalogue.entry(deployment)
        require_capable(deployment, entry, prompt, sampling)
        uses_schema_tools = bool(prompt.tools) and entry.capabilities.tools == "schema"
        rid = request_name(caller) if entry.provider == "sglang" else None
        request = arguments(
            entry,
            as_choice(prompt) if uses_schema_tools else prompt,
            sampling,
            streams=heard is not None,
            dialect={} if rid is None else fields(caller, rid),
        )
        key = self._key(deployment, entry.api_key)
        admin = key if entry.admin_key is None else self._key(deployment, entry.admin_key, own=False)
        wire = ModelWire(
            deployment,
            entry.provider,
            streams=heard is not None,
            max_bytes=SPARE_BYTES + sampling.max_output_tokens * (TOKEN_BYTES + LOGPROB_BYTES * sampling.logprobs),
            idle_seconds=self._idle,
            answers_as=entry.answers_as,
            tls=self._tls,
        )
        reader = ChoiceReader() if uses_schema_tools else CallText() if prompt.tools else None
        deadline = asyncio.timeout(self._timeout)
        try:
            async with deadline:
                if rid is not None:
                    await self._served.require(deployment, entry, key)
                call = _Call(deployment, wire, reader)
                return await call.run({**request, **_transport_arguments(entry, key, wire, self._timeout)}, heard)
        except TimeoutError:
            if not deadline.expired():
                raise
            raise ModelFailed(
                f"{deployment}: no whole reply within {self._timeout:g} s (PERDURE_MODEL__TIMEOUT_SECONDS)"
            ) from None
        except PortError as error:
            if not isinstance(error, ModelRefused | ModelOverloaded | CircuitOpen):
                self._served.recheck(deployment)
            raise
        finally:
            try:
                await wire.aclose()
            finally:  # also where a cancellation interrupts the line above
                if rid is not None and wire.unfinished:
                    # A closed connection stops a stream at once, but a reply that is not streamed only seconds later.
                    await self._queries.stop(deployment, entry.root, rid, admin)

    def _key(self, deployment: str, name: str | None, *, own: bool = True) -> str:
        """Return a key by its name. For the deployment's `own` key, a key under the deployment's name comes first."""
        key = (self._keys.get(deployment) if own else None) or self._keys.get(name or "")
        if key is not None:
            return key.get_secret_value()
        if name is None:
            return "none"
        raise NotConfigured(
            f"the deployment {deployment!r} needs the key {name!r}, which is not set: set "
            f'PERDURE_MODEL__API_KEYS=\'{{"{name}": "..."}}\''
        )


CUT = frozenset({FinishReason.LENGTH, FinishReason.CONTENT_FILTER, FinishReason.REFUSAL})
"""The reasons for which a reply may end in the middle of a call."""


class _Call:
    """One call: LiteLLM sends it, and the wire reads the reply.

    What LiteLLM makes of the reply is not used, and an error that it raises over a reply that can be read is none.
    """

    def __init__(self, deployment: str, wire: ModelWire, reader: ChoiceReader | CallText | None) -> None:
        self._deployment = deployment
        self._wire = wire
        self._reader = reader
        self._shown: list[str] = []
        self._started_at = time.perf_counter()
        self._first_token_ms: float | None = None

    async def run(self, request: Mapping[str, Any], heard: OnPiece | None) -> Completion:
        """Send the request and return the completion; pass each piece of text to `heard`. Raises the port's errors."""
        try:
            await self._send(request)
            async for text, usage in self._wire.heard():
                if heard is not None:
                    await self._forward(text, usage, heard)
        except Filtered as filtered:
            return self._filtered(filtered)
        return await self._completion(heard)

    def _filtered(self, filtered: Filtered) -> Completion:
        """Return the reply of a provider whose filter does not let the prompt through.

        Providers charge for the prompt that they judged, or do not, and report no count: it is charged at its worst
        case. Nothing was written, unless the filter came in the middle of the reply.
        """
        return Completion(
            content="".join(self._shown),
            model=self._wire.reply.model or "",
            finish_reason=str(FinishReason.PROMPT_FILTER),
            usage=Usage(input_tokens=None, output_tokens=None if filtered.underway else 0),
            refusal=filtered.words,
        )

    async def _send(self, request: Mapping[str, Any]) -> None:
        """Let LiteLLM send the request. Raises the wire's error where there is one: it is more exact than LiteLLM's."""
        try:
            await litellm.acompletion(**request)
        except Exception as error:  # noqa: BLE001 - LiteLLM raises what its providers raise
            if self._wire.failure is not None:
                raise self._wire.failure from None
            if self._wire.answered:
                return
            if self._wire.sent:
                raise ModelFailed(
                    f"{self._deployment}: the reply could not be read ({type(error).__name__}): what the call cost is "
                    "unknown"
                ) from None
            raise ModelRefused(
                f"{self._deployment}: the request could not be written for this provider ({type(error).__name__})"
            ) from None
        if self._wire.failure is not None:
            raise self._wire.failure

    async def _forward(self, piece: str, usage: Usage | None, heard: OnPiece) -> None:
        if self._first_token_ms is None and self._wire.reply.started:
            self._first_token_ms = (time.perf_counter() - self._started_at) * 1000
        shown = self._reader.add(piece) if self._reader else piece
        self._shown.append(shown)
        await heard(shown, usage)

    async def _completion(self, heard: OnPiece | None) -> Completion:
        reply = self._wire.reply
        where = self._deployment
        if reply.ended is None:
            raise ModelFailed(f"{where}: the reply ended before it was whole: what the call cost is unknown")
        reason = reply.finish_reason
        if reason is None:
            raise ModelFailed(
                f"{where}: the server ended the reply for a reason of its own ({reply.ended[:40]!r}): what the call "
                "cost is unknown"
            )
        content, calls = reply.content, reply.tool_calls
        if reason in CUT:
            calls = whole_calls(calls)
        match self._reader:
            case ChoiceReader() if calls or reason in CUT:  # some servers read the call themselves
                content = answer_so_far(content)
            case ChoiceReader():
                content, calls = read_choice(content)
            case CallText() if reason in CUT:
                # A call that was cut off is neither text nor a call: its server leaves it in the text, or half parsed.
                content = before_call(content)
            case _:
                pass
        if heard is not None:
            await self._show_rest(content, reply.usage_so_far, heard)
        return Completion(
            content=content,
            model=reply.model or "",
            finish_reason=str(FinishReason.TOOL_CALLS if calls and reason is FinishReason.STOP else reason),
            usage=reply.usage,
            tool_calls=calls,
            logprobs=reply.logprobs,
            first_token_ms=self._first_token_ms,
            reasoning=reply.reasoning,
            refusal=reply.refusal,
        )

    async def _show_rest(self, content: str, usage: Usage | None, heard: OnPiece) -> None:
        """Show the part of the content that was held back. Raises `ModelFailed` where another text was shown."""
        if self._reader is not None and (unsent_rest := self._reader.unsent_rest(content)):
            self._shown.append(unsent_rest)
            await heard(unsent_rest, usage)
        shown = "".join(self._shown)
        if shown != content:
            structlog.get_logger("perdure").error(
                "shown_is_not_saved", deployment=self._deployment, shown=len(shown), saved=len(content)
            )
            raise ModelFailed(
                f"{self._deployment}: the text that was shown is not the text of the reply ({len(shown)} and "
                f"{len(content)} characters): the reply is not used; report this with the server's kind and version"
            )


def _transport_arguments(entry: DeploymentEntry, key: str, wire: ModelWire, timeout: float) -> dict[str, Any]:
    """Return the arguments of `litellm.acompletion` that send the request over the wire, once."""
    client: Any
    if entry.provider == "openai":
        client = AsyncOpenAI(
            api_key=key,
            base_url=entry.endpoint,
            max_retries=0,
            http_client=httpx.AsyncClient(transport=wire, trust_env=False, follow_redirects=False),
        )
    else:
        client = AsyncHTTPHandler(transport=cast("httpx.AsyncBaseTransport", wire), follow_redirects=False)
    return {
        "client": client,
        "api_base": entry.endpoint,
        "api_key": key,
        "timeout": timeout,
        "num_retries": 0,
        "max_retries": 0,
    }
