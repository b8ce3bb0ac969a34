"""Models through LiteLLM as a library, with its router and all its retries off: the workflow retries."""

import asyncio
import logging
import time
import warnings
from collections.abc import Mapping
from typing import Any, cast

import httpx
import litellm
from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler
from openai import AsyncOpenAI
from pydantic import SecretStr

from activities.adapters.model_servers.catalogue import CatalogueFile, DeploymentEntry
from activities.adapters.model_servers.connection import ModelWire
from activities.adapters.model_servers.served_models import ServedModels
from activities.adapters.model_servers.server_queries import QUERY_SECONDS, ServerQueries
from activities.adapters.models.litellm_reply import Gathered, choice_of
from activities.adapters.models.litellm_request import arguments, require_capable
from activities.adapters.models.schema_tools import ChoiceReader, as_choice, read_choice
from activities.adapters.models.sglang_dialect import fields, request_name
from activities.adapters.models.tool_text import CallText, before_call, whole_calls
from activities.ports import (
    Caller,
    CircuitOpen,
    Completion,
    ModelFailed,
    ModelOverloaded,
    ModelRefused,
    NotConfigured,
    OnPiece,
    PortError,
    Prompt,
    Sampling,
    SharedState,
)

setattr(litellm, "telemetry", False)  # noqa: B010 - its module does not declare the name
litellm.suppress_debug_info = True
litellm.drop_params = False
litellm.turn_off_message_logging = True
litellm.disable_streaming_logging = True
# Its types make pydantic say so at the first call.
warnings.filterwarnings("ignore", message="Item '.*' on TypedDict class", category=UserWarning)
logging.getLogger("LiteLLM").setLevel(logging.ERROR)


def _unpriced(**_: object) -> float:
    return 0.0


# What a call costs is the catalogue's to say. LiteLLM prices each one before its first word, which takes milliseconds
# for a model that it does not know, and has no switch for that.
setattr(litellm, "response_cost_calculator", _unpriced)  # noqa: B010 - its own has the same parameters by name

SPARE_BYTES = 256 * 1024
TOKEN_BYTES, LOGPROB_BYTES = 1024, 512
"""What a reply may have: a streamed token is an event of a few hundred bytes, and each log probability adds to it."""


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
        """`api_keys` are by the name that an entry's `api_key` gives, or by deployment."""
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
        choosing = bool(prompt.tools) and entry.capabilities.tools == "schema"
        rid = request_name(caller) if entry.provider == "sglang" else None
        asked = arguments(
            entry,
            as_choice(prompt) if choosing else prompt,
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
            most_bytes=SPARE_BYTES + sampling.max_output_tokens * (TOKEN_BYTES + LOGPROB_BYTES * sampling.logprobs),
            idle_seconds=self._idle,
            answers_as=entry.answers_as,
            tls=self._tls,
        )
        reader = ChoiceReader() if choosing else CallText() if prompt.tools else None
        deadline = asyncio.timeout(self._timeout)
        try:
            async with deadline:
                if rid is not None:
                    await self._served.require(deployment, entry, key)
                call = _Call(deployment, wire, reader)
                return await call.made({**asked, **_way(entry, key, wire, self._timeout)}, heard)
        except TimeoutError:
            if not deadline.expired():
                raise
            raise ModelFailed(
                f"{deployment}: no whole reply within {self._timeout:g} s (PERDURE_MODEL__TIMEOUT_SECONDS)"
            ) from None
        except PortError as error:
            if not isinstance(error, ModelRefused | ModelOverloaded | CircuitOpen):
                self._served.doubt(deployment)
            raise
        finally:
            try:
                await wire.aclose()
            finally:  # also where a cancellation interrupts the line above
                if rid is not None and wire.unfinished:
                    # A closed connection stops a stream at once, and a reply that comes whole only seconds later.
                    await self._queries.stop(deployment, entry.root, rid, admin)

    def _key(self, deployment: str, name: str | None, *, own: bool = True) -> str:
        """A key by its name; by the deployment's own name first where it is the deployment's `own` one."""
        found = (self._keys.get(deployment) if own else None) or self._keys.get(name or "")
        if found is not None:
            return found.get_secret_value()
        if name is None:
            return "none"
        raise NotConfigured(
            f"the deployment {deployment!r} needs the key {name!r}, which is not set: set "
            f'PERDURE_MODEL__API_KEYS=\'{{"{name}": "..."}}\''
        )


class _Call:
    """One call: what LiteLLM makes of the reply, held against what came over the wire."""

    def __init__(self, deployment: str, wire: ModelWire, reader: ChoiceReader | CallText | None) -> None:
        self._deployment = deployment
        self._wire = wire
        self._reader = reader
        self._began = time.perf_counter()
        self._first_token_ms: float | None = None

    async def made(self, asked: Mapping[str, Any], heard: OnPiece | None) -> Completion:
        """Make it. Raises the port's errors."""
        reply = await self._guarded(litellm.acompletion(**asked))
        gathered = Gathered()
        if heard is None:
            gathered.whole(reply)
        else:
            # What LiteLLM reads of the provider's events. Its wrapper around them makes each piece anew for logs that
            # nobody keeps, and takes words that come a hundred times for an error.
            pieces = aiter(reply.completion_stream)
            while (piece := await self._guarded(anext(pieces, None))) is not None:
                if (choice := choice_of(piece)) is None:
                    continue
                await self._tell(gathered.hear(choice), heard)
                if choice.finish_reason:
                    await self._guarded(self._wire.rest())  # the usage is still to come
                    await reply.aclose()
                    break
        return await self._completed(gathered, heard)

    async def _guarded(self, awaited: Any) -> Any:
        """Await LiteLLM. What it raises is its own reading of what the wire knows better."""
        try:
            found = await awaited
        except Exception as error:  # noqa: BLE001 - LiteLLM raises what its providers raise
            if self._wire.failure is not None:
                raise self._wire.failure from None
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
        return found

    async def _tell(self, piece: str, heard: OnPiece) -> None:
        if self._first_token_ms is None and self._wire.report.speaking:
            self._first_token_ms = (time.perf_counter() - self._began) * 1000
        await heard(self._reader.hear(piece) if self._reader else piece, self._wire.report.usage)

    async def _completed(self, gathered: Gathered, heard: OnPiece | None) -> Completion:
        report = self._wire.report
        where = self._deployment
        if report.ended is None:
            raise ModelFailed(f"{where}: the reply ended before it was whole: what the call cost is unknown")
        if report.finish_reason is None:
            raise ModelFailed(
                f"{where}: the server ended the reply for a reason of its own ({report.ended[:40]!r}): what the call "
                "cost is unknown"
            )
        if report.usage is None:
            raise ModelFailed(f"{where}: the server reported no usage, so the call cannot be priced")
        content, calls, reason = gathered.content, gathered.tool_calls, report.finish_reason
        match self._reader:
            case ChoiceReader() if reason == "stop":
                content, calls = read_choice(content)
            case CallText() if reason == "length":
                # What was to be a call and was cut is neither: its server leaves it in the text, or half in the calls.
                content, calls = before_call(content), whole_calls(calls)
            case _:
                pass
        if self._reader is not None and heard is not None and (rest := self._reader.rest(content)):
            await heard(rest, report.usage)
        return Completion(
            content=content,
            model=report.model or "",
            finish_reason="tool_calls" if calls and reason == "stop" else reason,
            usage=report.usage,
            tool_calls=calls,
            logprobs=gathered.logprobs,
            first_token_ms=self._first_token_ms,
        )


def _way(entry: DeploymentEntry, key: str, wire: ModelWire, timeout: float) -> dict[str, Any]:
    """Where a call goes and how: through the wire alone, once."""
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
