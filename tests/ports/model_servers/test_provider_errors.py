"""What each provider's errors mean for a paid attempt: what helps, whether it was free, and how long to wait."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.model_servers.provider_errors import BY_PROVIDER, port_error, read_error_reply, read_refusal
from activities.adapters.model_servers.retry_after import LONGEST_WAIT, retry_after
from activities.ports import (
    CircuitOpen,
    ModelFailed,
    ModelOverloaded,
    ModelRefused,
    ModelUnusable,
    PortError,
)
from perdure.contracts.fault import Remedy

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)

FLAT_TOO_LONG = {
    "object": "error",
    "message": "Requested token count exceeds the model's maximum context length of 8192 tokens.",
    "type": "BadRequestError",
    "param": None,
    "code": 400,
}
"""SGLang's form of an error: no `error` around it."""

CASES: list[tuple[str, int, Any, type[PortError], str]] = [
    ("hosted_vllm", 400, FLAT_TOO_LONG, ModelRefused, "context window"),
    ("hosted_vllm", 400, {"error": {"code": 400, "type": "exceed_context_size_error"}}, ModelRefused, "context window"),
    ("hosted_vllm", 400, {"object": "error", "message": "Unsupported type", "code": 400}, ModelRefused, "status 400"),
    ("hosted_vllm", 401, {"error": "Unauthorized"}, ModelUnusable, "key"),
    ("hosted_vllm", 404, {"error": {"code": "model_not_found"}}, ModelUnusable, "no such model"),
    ("hosted_vllm", 503, {"message": "The request queue is full.", "code": 503}, ModelOverloaded, "overloaded"),
    ("hosted_vllm", 503, {"error": {"message": "Loading model", "code": 503}}, ModelOverloaded, "loading"),
    ("hosted_vllm", 503, {"error": {"code": "no_available_workers"}}, CircuitOpen, "no worker"),
    ("hosted_vllm", 500, {"error": {"message": "boom"}}, ModelFailed, "status 500"),
    ("openai", 429, {"error": {"code": "rate_limit_exceeded"}}, ModelOverloaded, "overloaded"),
    ("openai", 429, {"error": {"code": "insufficient_quota"}}, ModelUnusable, "quota"),
    ("openai", 400, {"error": {"code": "model_not_found"}}, ModelUnusable, "no such model"),
    ("openai", 400, {"error": {"code": "context_length_exceeded"}}, ModelRefused, "context window"),
    ("openai", 402, {}, ModelUnusable, "quota"),
    ("anthropic", 529, {"type": "error", "error": {"type": "overloaded_error"}}, ModelOverloaded, "overloaded"),
    ("anthropic", 500, {"type": "error", "error": {"type": "overloaded_error"}}, ModelOverloaded, "overloaded"),
    ("anthropic", 400, {"error": {"message": "Your credit balance is too low"}}, ModelUnusable, "quota"),
    ("anthropic", 400, {"error": {"message": "prompt is too long: 3 tokens > 2"}}, ModelRefused, "context window"),
    ("anthropic", 413, {"error": {"type": "request_too_large"}}, ModelRefused, "status 413"),
    ("of-tomorrow", 429, {}, ModelOverloaded, "overloaded"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[1]}-{case[4]}".replace(" ", "-"))
def test_a_providers_error_becomes_the_ports(case: tuple[str, int, Any, type[PortError], str]) -> None:
    provider, status, body, kind, sentence = case
    error = port_error("d", provider, read_refusal(status, {}, json.dumps(body).encode()))
    assert type(error) is kind
    assert sentence in str(error)


def test_every_remedy_but_waiting_belongs_to_some_provider_error() -> None:
    remedies = {
        port_error("d", provider, read_refusal(status, {}, json.dumps(body).encode())).remedy
        for provider, status, body, *_ in CASES
    }
    assert remedies == set(Remedy) - {Remedy.WAIT}


@given(st.sampled_from([*BY_PROVIDER, "other"]), st.integers(300, 599), st.binary(max_size=200))
def test_any_reply_is_judged_and_its_words_stay_here(provider: str, status: int, body: bytes) -> None:
    secret = b'{"error": {"message": "sk-secret", "code": ' + json.dumps(body.decode("latin-1")).encode() + b"}}"
    for text in (body, secret):
        error = port_error("d", provider, read_refusal(status, {"Retry-After": "soon"}, text))
        assert "sk-secret" not in str(error)
        assert "\n" not in str(error)
        assert not (error.free_of_charge and status in {408, 500, 502, 504}), "work may have been done"


@pytest.mark.parametrize("status", [408, 500, 502, 504])
def test_what_may_have_done_work_is_not_free(status: int) -> None:
    error = port_error("d", "hosted_vllm", read_refusal(status, {"Retry-After": "3"}, b""))
    assert not error.free_of_charge
    assert error.retry_after == timedelta(seconds=3)


def test_an_error_in_the_middle_of_a_reply_is_not_free() -> None:
    event = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    before, after = (read_error_reply(event, {}, underway=underway) for underway in (False, True))
    assert port_error("d", "anthropic", before).free_of_charge
    assert not port_error("d", "anthropic", after).free_of_charge


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "Sun, 22 Nov 2026 12:00:30 GMT"}, 30),
        ({"retry-after": "Sun, 22 Nov 2026 11:00:00 GMT"}, 0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "999999999"}, LONGEST_WAIT.total_seconds()),
        ({"x-ratelimit-reset-requests": "6m0s"}, 360),
        ({"x-ratelimit-reset-tokens": "20ms"}, 0.02),
        ({"x-ratelimit-reset": str(int(NOW.timestamp()) + 12)}, 12),
        ({"anthropic-ratelimit-requests-reset": "2026-11-22T12:00:05Z"}, 5),
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "2s",
                "x-ratelimit-remaining-tokens": "500",
                "x-ratelimit-reset-tokens": "50s",
            },
            2,
        ),
    ],
)
def test_a_server_says_how_long_to_wait_in_many_ways(headers: dict[str, str], seconds: float) -> None:
    assert retry_after(headers, NOW) == timedelta(seconds=seconds)


@pytest.mark.parametrize("headers", [{}, {"retry-after": "soon"}, {"retry-after": "nan"}, {"x-ratelimit-reset": "?"}])
def test_headers_without_a_hint_give_no_wait(headers: dict[str, str]) -> None:
    assert retry_after(headers, NOW) is None
