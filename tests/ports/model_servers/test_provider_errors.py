"""What each provider's errors mean for a paid attempt: what helps, whether it was free, and how long to wait."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.model_servers.provider_errors import (
    BY_PROVIDER,
    Filtered,
    port_error,
    read_error_reply,
    read_refusal,
)
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

TOKENS_PER_MINUTE = (
    "Request too large for model `m` in organization `org-7` service tier `on_demand` on tokens per minute (TPM): "
    "Limit 6,000, Requested {requested}, please reduce your message size and try again."
)
"""What Groq says of a request."""

LIMITS: list[tuple[int, Any, type[PortError], str]] = [
    (413, {"message": TOKENS_PER_MINUTE.format(requested=7100)}, ModelUnusable, "7,100 of 6,000"),
    (
        413,
        {"message": TOKENS_PER_MINUTE.format(requested=5100)},
        ModelOverloaded,
        "limit of tokens per minute is reached",
    ),
    (429, {"message": "Rate limit reached on requests per day (RPD)"}, ModelOverloaded, "requests per day"),
    (
        429,
        {"message": "would exceed your rate limit of 40,000 input tokens per minute"},
        ModelOverloaded,
        "input tokens",
    ),
    (429, {"message": "Limit: 3 RPM"}, ModelOverloaded, "requests per minute"),
]
"""Refusals for a rate: the status, the error, and what is said of it."""

EXCEEDED = "Context size has been exceeded."

WRAPPINGS: list[Any] = [
    {"error": {"message": EXCEEDED, "code": 500, "type": "server_error"}},
    {"error": EXCEEDED},
    {"object": "error", "message": EXCEEDED},
    {"detail": EXCEEDED},
    {"detail": [{"msg": EXCEEDED, "input": "x"}]},
    {"errors": [{"message": EXCEEDED}]},
    [{"error": {"message": EXCEEDED, "status": "INTERNAL"}}],
    {"error": {"message": "provider failed", "metadata": {"raw": json.dumps({"error": {"message": EXCEEDED}})}}},
    {"message": f"litellm.APIError: OpenAIException - {json.dumps({'error': {'message': EXCEEDED}})}"},
    EXCEEDED,
]
"""The ways in which servers and routers wrap an error."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[1]}-{case[4]}".replace(" ", "-"))
def test_a_providers_error_becomes_the_ports(case: tuple[str, int, Any, type[PortError], str]) -> None:
    provider, status, body, kind, sentence = case
    error = port_error("d", provider, read_refusal(status, {}, json.dumps(body).encode()))
    assert type(error) is kind
    assert sentence in str(error)


@pytest.mark.parametrize("provider", BY_PROVIDER)
@pytest.mark.parametrize("status", [400, 500, 503])
@pytest.mark.parametrize("wrapped", WRAPPINGS, ids=lambda wrapped: json.dumps(wrapped)[:30])
def test_an_error_is_judged_by_its_words_and_not_by_its_wrapping(provider: str, status: int, wrapped: Any) -> None:
    body = wrapped.encode() if isinstance(wrapped, str) else json.dumps(wrapped).encode()
    error = port_error("d", provider, read_refusal(status, {}, body))
    assert type(error) is ModelRefused
    assert (error.remedy, error.final) == (Remedy.GIVE_UP, True)
    assert "longer than the model's context window" in str(error)
    assert error.free_of_charge == (status == 400), "a server that failed may have done work"


@pytest.mark.parametrize("underway", [False, True])
@pytest.mark.parametrize("wrapped", WRAPPINGS, ids=lambda wrapped: json.dumps(wrapped)[:30])
def test_an_error_within_a_reply_is_judged_by_its_words_too(wrapped: Any, *, underway: bool) -> None:
    error = port_error("d", "hosted_vllm", read_error_reply(wrapped, {}, underway=underway))
    assert type(error) is ModelRefused
    assert not (underway and error.free_of_charge)


@pytest.mark.parametrize(("status", "inner", "kind", "sentence"), LIMITS)
def test_a_limit_of_a_rate_is_named(status: int, inner: Any, kind: type[PortError], sentence: str) -> None:
    for provider in BY_PROVIDER:
        for body in ({"error": {**inner, "type": "tokens", "code": "rate_limit_exceeded"}}, inner):
            error = port_error("d", provider, read_refusal(status, {"retry-after": "7"}, json.dumps(body).encode()))
            assert type(error) is kind
            assert sentence in str(error)
            assert "org-7" not in str(error)
            assert error.retry_after == (timedelta(seconds=7) if kind is ModelOverloaded else None)


@pytest.mark.parametrize(
    ("report", "kind"),
    [
        ({"error": {"type": "rate_limit_error"}}, ModelOverloaded),
        ({"error": {"code": "429"}}, ModelOverloaded),
        ({"error": {"status": "RESOURCE_EXHAUSTED"}}, ModelOverloaded),
        ({"error": {"type": "authentication_error"}}, ModelUnusable),
        ({"type": "error", "error": {"type": "invalid_request_error", "message": "bad"}}, ModelRefused),
        ("the engine died", ModelFailed),
    ],
)
def test_an_error_within_a_reply_has_the_status_that_its_words_stand_for(report: Any, kind: type[PortError]) -> None:
    assert type(port_error("d", "openai", read_error_reply(report, {}, underway=False))) is kind


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["error", "message", "code", "type", "detail", "x"]), inner, max_size=3)
    ),
    max_leaves=20,
)


@given(JSON, st.sampled_from([*BY_PROVIDER, "other"]), st.integers(400, 599), st.booleans())
def test_any_error_in_any_shape_is_judged_in_one_line(report: Any, provider: str, status: int, underway: bool) -> None:  # noqa: FBT001 - drawn
    for refusal in (
        read_refusal(status, {}, json.dumps(report).encode()),
        read_error_reply(report, {}, underway=underway),
    ):
        error = port_error("d", provider, refusal)
        assert "\n" not in str(error)
        assert not (underway and refusal.underway and error.free_of_charge)


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


AZURE = {
    "error": {
        "message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
        "code": "content_filter",
        "status": 400,
        "innererror": {
            "code": "ResponsibleAIPolicyViolation",
            "content_filter_result": {"jailbreak": {"filtered": True, "detected": True}},
        },
    }
}

FILTERS: list[tuple[int, Any]] = [
    (400, AZURE),
    (400, {"error": {"code": "content_policy_violation", "message": "Rejected by our safety system."}}),
    (400, {"error": {"code": "invalid_prompt", "message": "Your prompt was flagged as violating our usage policy."}}),
    (400, {"error": {"message": "litellm.ContentPolicyViolationError: AzureException", "type": None, "code": "400"}}),
    (
        400,
        {"type": "error", "error": {"type": "invalid_request_error", "message": "Blocked by content filtering policy"}},
    ),
    (400, {"error": {"message": "Content Exists Risk", "type": "invalid_request_error"}}),
    (400, {"error": {"type": "content_filter", "message": "The request was rejected: considered high risk"}}),
    (400, {"error": {"code": "data_inspection_failed", "message": "Input data may contain inappropriate content."}}),
    (
        403,
        {"error": {"code": 403, "message": 'Your input was flagged for "violence".', "metadata": {"reasons": ["x"]}}},
    ),
    (403, {"code": "The caller is refused", "error": "Content violates usage guidelines."}),
    (400, {"detail": json.dumps(AZURE)}),
]


@pytest.mark.parametrize("provider", [*sorted(BY_PROVIDER), "of-tomorrow"])
@pytest.mark.parametrize(("status", "body"), FILTERS)
def test_a_filter_of_the_prompt_is_known_by_its_words_at_every_provider(
    provider: str, status: int, body: dict[str, Any]
) -> None:
    error = port_error("fast", provider, read_refusal(status, {}, json.dumps(body).encode()))
    assert isinstance(error, Filtered)
    assert (error.underway, error.words != "", error.words.startswith("{")) == (False, True, False)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "Unsupported content type"),
        (400, "Invalid value for 'content': expected a string"),
        (403, "Your account was suspended for violating our usage policies"),
        (400, "the prompt is too long"),
    ],
)
def test_an_error_about_anything_else_is_no_filter(status: int, message: str) -> None:
    error = port_error("fast", "openai", read_refusal(status, {}, json.dumps({"error": {"message": message}}).encode()))
    assert not isinstance(error, Filtered)
