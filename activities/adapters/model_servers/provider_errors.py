"""Turns the errors of model providers into the port's errors, with one function for each provider.

The class of a port error says the remedy (retry, give up, circuit open, fall back) and whether the attempt is known to
have cost nothing. The text of a server's error is used to classify it and is never forwarded: it may hold paths,
prompts and keys.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from activities.adapters.model_servers.error_words import ErrorWords, words_of
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

LIMITED = frozenset({413, 429, 503})
"""The statuses with which providers refuse a request for its rate. Groq's is 413 for one that is too large alone."""

FAILED = 500
"""The first of the statuses with which a server says that it failed itself."""

FILTERING = frozenset({400, 403, 422, 451})
"""The statuses with which a provider's filter refuses a prompt."""

NO_QUOTA = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})

WRONG_ADDRESS = frozenset({*range(300, 400), 405, 406, 410, 421, 426})
"""The statuses of an address that is not a model server's."""


@dataclass(frozen=True)
class Refusal:
    """The parts of an error reply that classify it."""

    status: int
    headers: Mapping[str, str]
    """The headers by lower-case name."""
    said: ErrorWords
    """Its words. They classify the error and are never shown."""
    underway: bool = False
    """Whether it came after a part of the reply: then the attempt has cost something."""

    @property
    def words(self) -> frozenset[str]:
        """The values of `type`, `code` and `status`, in lower case."""
        return self.said.codes

    @property
    def message(self) -> str:
        """The text for people."""
        return self.said.message


class Filtered(ModelRefused):
    """The provider's filter does not let the prompt through: that is a reply, and no fault of the request."""

    def __init__(self, message: str, words: str, *, underway: bool) -> None:
        super().__init__(message)
        self.words = words
        """The provider's words, which are foreign text."""
        self.underway = underway
        """Whether it came after a part of the reply."""


ByProvider: TypeAlias = Callable[[str, Refusal], PortError]


def read_refusal(status: int, headers: Mapping[str, str], body: bytes) -> Refusal:
    """Read an error reply, whose body may be JSON of any shape, or no JSON at all."""
    text = body.decode(errors="replace")
    try:
        report: Any = json.loads(text)
    except (ValueError, RecursionError):
        report = text
    return Refusal(status, _lower_names(headers), words_of(report))


def read_error_reply(report: object, headers: Mapping[str, str], *, underway: bool) -> Refusal:
    """Read an error in a reply with status 200: the whole reply, or an event of it."""
    words = words_of(report)
    return Refusal(words.status, _lower_names(headers), words, underway)


def port_error(deployment: str, provider: str, refusal: Refusal) -> PortError:
    """Return the port's error for a refusal of this provider."""
    if refusal.said.filtered(about_request=refusal.status in FILTERING):
        return Filtered(
            f"{deployment}: the content filter of the model's provider refused the prompt (status {refusal.status})",
            refusal.said.first,
            underway=refusal.underway,
        )
    by_words = _by_words(deployment, refusal)
    if by_words is not None:
        # A server that failed, or that had begun its reply, may have done work.
        by_words.free_of_charge = by_words.free_of_charge and not refusal.underway and refusal.status < FAILED
        return by_words
    if refusal.underway:
        return ModelFailed(
            f"{deployment}: its server broke off in the middle of the reply (status {refusal.status})",
            retry_after=retry_after(refusal.headers),
        )
    return BY_PROVIDER.get(provider, hosted)(deployment, refusal)


def _by_words(deployment: str, refusal: Refusal) -> PortError | None:
    """Return the error that the words of a refusal say, however they are wrapped; None where its status says more."""
    rate = refusal.said.rate if _may_be_limited(refusal) else None
    if rate is not None:
        return _rate_limited(deployment, refusal, rate)
    if refusal.said.too_long(about_request=refusal.status in BAD_REQUEST):
        return ModelRefused(
            f"{deployment}: the prompt is longer than the model's context window: use fewer passages, or a smaller "
            "`result_bytes` for an agent, or correct the deployment's context_window"
        )
    return None


def _may_be_limited(refusal: Refusal) -> bool:
    return refusal.status in LIMITED and not refusal.underway and not refusal.words & NO_QUOTA


def _rate_limited(deployment: str, refusal: Refusal, rate: str) -> PortError:
    amounts = refusal.said.amounts
    if amounts is not None and amounts[1] > amounts[0]:
        limit, requested = amounts
        return ModelUnusable(
            f"{deployment}: the request alone is over the provider's limit of {rate}: {requested:,} of {limit:,} "
            f"(status {refusal.status}): raise the limit there, or use fewer passages or another deployment"
        )
    return ModelOverloaded(
        f"{deployment}: the provider's limit of {rate} is reached (status {refusal.status})",
        retry_after=retry_after(refusal.headers),
    )


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
            f"{deployment}: its server has not loaded the adapter: load it (`perdure models load`), or remove "
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
    if refusal.words & NO_QUOTA:
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
            error = ModelRefused(f"{deployment}: the server refused the request (status {status})")
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


def _lower_names(headers: Mapping[str, str]) -> Mapping[str, str]:
    return {name.lower(): value for name, value in headers.items()}
