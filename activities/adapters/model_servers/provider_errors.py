"""Turns the errors of model providers into the port's errors, with one function for each provider.

The class of a port error says the remedy (retry, give up, circuit open, fall back) and whether the attempt is known to
have cost nothing. The text of a server's error is used to classify it and is never forwarded: it may hold paths,
prompts and keys.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from activities.adapters.model_servers.retry_after import retry_after
from activities.ports import (
    CircuitOpen,
    ModelFailed,
    ModelOverloaded,
    ModelRefused,
    ModelUnusable,
    PortError,
)

NOT_STARTED = frozenset({409, 425, 429, 503})
"""The statuses with which a server says that it did not start the work, but may do so later."""

BAD_REQUEST = frozenset({400, 413, 415, 422})
"""The statuses with which a server refuses a request before any work, and would refuse it again."""

WRONG_ADDRESS = frozenset({*range(300, 400), 405, 406, 410, 421, 426})
"""The statuses of an address that is not a model server's."""

LENGTH_WORDS = frozenset({"context_length_exceeded", "exceed_context_size_error", "string_above_max_length"})

STATUS = re.compile(r"[45]\d\d")

TOO_LONG = re.compile(
    r"context.{0,20}(length|window|size)|(prompt|input|request).{0,40}(too long|exceeds?)", re.IGNORECASE | re.DOTALL
)
"""The words with which servers say that a prompt does not fit."""


@dataclass(frozen=True)
class Refusal:
    """The parts of an error reply that classify it."""

    status: int
    headers: Mapping[str, str]
    """The headers by lower-case name."""
    words: frozenset[str] = frozenset()
    """The values of `type`, `code` and `status`, in lower case."""
    message: str = ""
    """The text for people. It is used to classify the error and is never shown."""
    underway: bool = False
    """Whether it came after a part of the reply: then the attempt has cost something."""


ByProvider: TypeAlias = Callable[[str, Refusal], PortError]


def read_refusal(status: int, headers: Mapping[str, str], body: bytes) -> Refusal:
    """Read an error reply, whose body may be nested JSON, flat JSON, or no JSON at all."""
    try:
        parsed: Any = json.loads(body)
    except (ValueError, RecursionError):
        parsed = None
    return _refusal(status, headers, parsed, underway=False)


def read_event(event: Mapping[str, Any], headers: Mapping[str, str], *, underway: bool) -> Refusal | None:
    """Return the refusal in an event of a reply with status 200; None where it holds none."""
    if event.get("error") is None and event.get("object") != "error" and event.get("type") != "error":
        return None
    inner = event.get("error")
    code: object = (_mapping(inner) or event).get("code")
    status = int(code) if isinstance(code, int | str) and STATUS.fullmatch(str(code)) else 500
    return _refusal(status, headers, event, underway=underway)


def port_error(deployment: str, provider: str, refusal: Refusal) -> PortError:
    """Return the port's error for a refusal of this provider."""
    if refusal.underway:
        return ModelFailed(
            f"{deployment}: its server broke off in the middle of the reply (status {refusal.status})",
            retry_after=retry_after(refusal.headers),
        )
    return BY_PROVIDER.get(provider, hosted)(deployment, refusal)


def hosted(deployment: str, refusal: Refusal) -> PortError:
    """Return the error for a refusal of vLLM, llama.cpp, or a router in front of them."""
    if "no_available_workers" in refusal.words:
        return CircuitOpen(
            f"{deployment}: its router has no worker that is well: look at the model servers behind it",
            retry_after=retry_after(refusal.headers),
        )
    return _by_status(deployment, refusal)


def sglang(deployment: str, refusal: Refusal) -> PortError:
    """Return the error for a refusal of SGLang or its router `smg`. Neither sends a `Retry-After` header."""
    if refusal.status in BAD_REQUEST and "lora" in refusal.message.lower():
        return ModelUnusable(
            f"{deployment}: its server has not loaded the adapter: load it (`python -m deploy.models load`), or remove "
            "`adapter` from the catalogue"
        )
    if refusal.status in NOT_STARTED and "priority" in refusal.message:
        return ModelOverloaded(
            f"{deployment}: the request gave way to more urgent ones in the server's queue (status {refusal.status})",
            retry_after=retry_after(refusal.headers),
        )
    return hosted(deployment, refusal)


def openai(deployment: str, refusal: Refusal) -> PortError:
    """Return the error for a refusal of OpenAI, or of a service with its API."""
    if refusal.words & {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}:
        return _no_quota(deployment)
    if "model_not_found" in refusal.words:
        return _unknown_model(deployment)
    return _by_status(deployment, refusal)


def anthropic(deployment: str, refusal: Refusal) -> PortError:
    """Return the error for a refusal of Anthropic."""
    if "billing_error" in refusal.words or "credit balance" in refusal.message:
        return _no_quota(deployment)
    if "overloaded_error" in refusal.words or refusal.status == 529:  # noqa: PLR2004 - Anthropic's own status
        return _overloaded(deployment, refusal)
    return _by_status(deployment, refusal)


BY_PROVIDER: Mapping[str, ByProvider] = {
    "hosted_vllm": hosted,
    "sglang": sglang,
    "openai": openai,
    "anthropic": anthropic,
}


def _by_status(deployment: str, refusal: Refusal) -> PortError:
    status = refusal.status
    match status:
        case 401 | 403:
            error: PortError = ModelUnusable(
                f"{deployment}: the server does not accept the key (status {status}): correct it in "
                "PERDURE_MODEL__API_KEYS"
            )
        case 402:
            error = _no_quota(deployment)
        case 404:
            error = _unknown_model(deployment)
        case _ if status in BAD_REQUEST:
            error = _bad_request(deployment, refusal)
        case _ if status in NOT_STARTED:
            error = _overloaded(deployment, refusal)
        case _ if status in WRONG_ADDRESS:
            error = ModelUnusable(
                f"{deployment}: its endpoint takes no requests (status {status}): is the address right, /v1 included?"
            )
        case _:
            error = ModelFailed(
                f"{deployment}: the server failed (status {status}): what the call cost is unknown",
                retry_after=retry_after(refusal.headers),
            )
    return error


def _bad_request(deployment: str, refusal: Refusal) -> ModelRefused:
    if refusal.words & LENGTH_WORDS or TOO_LONG.search(refusal.message):
        return ModelRefused(
            f"{deployment}: the prompt is longer than the model's context window: use fewer passages, or a smaller "
            "`result_bytes` for an agent, or correct the deployment's context_window"
        )
    return ModelRefused(f"{deployment}: the server refused the request (status {refusal.status})")


def _overloaded(deployment: str, refusal: Refusal) -> ModelOverloaded:
    return ModelOverloaded(
        f"{deployment}: the server is overloaded or still loading (status {refusal.status})",
        retry_after=retry_after(refusal.headers),
    )


def _no_quota(deployment: str) -> ModelUnusable:
    return ModelUnusable(f"{deployment}: the provider's quota is used up: raise it there, or use another deployment")


def _unknown_model(deployment: str) -> ModelUnusable:
    return ModelUnusable(
        f"{deployment}: its server knows no such model or address: correct `model` or `endpoint` in the catalogue"
    )


def _refusal(status: int, headers: Mapping[str, str], body: object, *, underway: bool) -> Refusal:
    fields = _mapping(body)
    inner: object = fields.get("error")
    fields = _mapping(inner) or fields
    message: object = fields.get("message") or (inner if isinstance(inner, str) else "")
    words = [fields.get(name) for name in ("type", "code", "status")]
    return Refusal(
        status=status,
        headers={name.lower(): value for name, value in headers.items()},
        words=frozenset(str(word).lower() for word in words if word is not None),
        message=str(message),
        underway=underway,
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}
