"""Models through LiteLLM as a library, with its router and all its retries off: the workflow retries."""

import logging
from typing import Any, cast

import httpx
import litellm
from litellm import exceptions

from activities.adapters.catalogue import CatalogueFile
from activities.ports import (
    Completion,
    Heard,
    ModelFailed,
    ModelOverloaded,
    ModelRefused,
    ModelUnreachable,
    PortError,
    Prompt,
    Sampling,
    Usage,
)

setattr(litellm, "telemetry", False)  # noqa: B010 - its module does not declare the name
litellm.suppress_debug_info = True
litellm.drop_params = False
logging.getLogger("LiteLLM").setLevel(logging.WARNING)

REFUSED = frozenset({400, 401, 403, 404, 405, 413, 422})
"""Statuses with which a server says that the same request would fail again, before doing any work."""

OVERLOADED = frozenset({429, 503})
"""Statuses with which a server says that it did not start."""


class LiteLLMModel:
    """The model port over the deployments of a catalogue."""

    def __init__(self, catalogue: CatalogueFile, *, timeout_seconds: float) -> None:
        self._catalogue = catalogue
        self._timeout = timeout_seconds
        # Without an entry LiteLLM looks each unknown model up, four milliseconds a call.
        litellm.register_model(
            {
                f"{entry.provider}/{entry.model}": {
                    "litellm_provider": entry.provider,
                    "mode": "chat",
                    "max_tokens": entry.context_window,
                    "input_cost_per_token": entry.prices.input / 1e12,
                    "output_cost_per_token": entry.prices.output / 1e12,
                    "cache_creation_input_token_cost": 0.0,
                    "cache_read_input_token_cost": entry.prices.input / 1e12,
                }
                for entry in catalogue.entries.values()
            }
        )

    async def complete(
        self,
        deployment: str,
        prompt: Prompt,
        sampling: Sampling,
        heard: Heard | None = None,
    ) -> Completion:
        entry = self._catalogue.entry(deployment)
        extra: dict[str, Any] = {}
        if prompt.schema is not None:
            extra["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "reply", "schema": dict(prompt.schema), "strict": True},
            }
        try:
            reply = await litellm.acompletion(
                model=f"{entry.provider}/{entry.model}",
                api_base=entry.endpoint,
                api_key="none",
                messages=[{"role": message.role, "content": message.content} for message in prompt.messages],
                max_tokens=sampling.max_output_tokens,
                temperature=sampling.temperature,
                seed=sampling.seed,
                timeout=self._timeout,
                num_retries=0,
                max_retries=0,
                **extra,
            )
        except Exception as error:  # noqa: BLE001 - LiteLLM raises what its providers raise
            raise port_error(deployment, error) from None
        return _completion(deployment, cast("Any", reply))


def _completion(deployment: str, reply: Any) -> Completion:
    choice = reply.choices[0]
    usage = reply.usage
    if usage is None or not usage.prompt_tokens:
        raise ModelFailed(f"{deployment}: the server reported no usage, so the call cannot be priced")
    details = getattr(usage, "prompt_tokens_details", None)
    return Completion(
        content=choice.message.content or "",
        model=str(reply.model),
        finish_reason=str(choice.finish_reason),
        usage=Usage(
            input_tokens=int(usage.prompt_tokens),
            output_tokens=int(usage.completion_tokens),
            cached_tokens=int(getattr(details, "cached_tokens", None) or 0),
        ),
    )


def port_error(deployment: str, error: Exception) -> PortError:
    """The port's own error for what LiteLLM raised. The server's raw text is never forwarded."""
    status = getattr(error, "status_code", None)
    if _was_never_connected(error):
        return ModelUnreachable(f"{deployment}: nothing answers at its endpoint: is the model server running?")
    if isinstance(error, exceptions.ContextWindowExceededError):
        return ModelRefused(f"{deployment}: the prompt is longer than the model's context window: use fewer passages")
    if isinstance(error, exceptions.Timeout):
        return ModelFailed(f"{deployment}: no answer in time")
    if status in OVERLOADED:
        return ModelOverloaded(f"{deployment}: the server is overloaded or still loading (status {status})")
    if status in REFUSED:
        return ModelRefused(f"{deployment}: the server refused the request (status {status})")
    return ModelFailed(f"{deployment}: the call broke ({type(error).__name__}, status {status})")


def _was_never_connected(error: BaseException) -> bool:
    """Whether a refused connection is at the root: then nothing was sent."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        if isinstance(link, httpx.ConnectError | httpx.ConnectTimeout):
            return True
        seen.add(id(link))
        link = link.__cause__ or link.__context__
    return False
