"""Reads the words of a server's error, however it is wrapped: nested, in a list, as JSON inside of a text, or as text.

The words classify the error. They are never shown: they may hold paths, prompts and keys. Only numbers of limits are.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, cast

LONGEST = 8_000
"""The characters of a text that are read."""

DEEPEST, MOST = 8, 200
"""How deep an error is nested at most, and how many of its values are read."""

CODES = frozenset({"type", "code", "status", "reason"})
"""The fields whose values are words of a protocol."""

TEXTS = frozenset(
    {"message", "error", "errors", "detail", "details", "msg", "raw", "title", "metadata", "error_message"}
)
"""The fields whose values say in words, or hold what says, what is wrong. Others may quote the prompt."""

STATUS_OF: Mapping[str, int] = {
    **dict.fromkeys(("rate_limit_exceeded", "rate_limit_error", "too_many_requests", "resource_exhausted"), 429),
    **dict.fromkeys(("insufficient_quota", "billing_error"), 402),
    **dict.fromkeys(("invalid_request_error", "badrequesterror", "bad_request", "invalid_argument"), 400),
    **dict.fromkeys(("authentication_error", "invalid_api_key", "unauthorized", "permission_error"), 401),
    **dict.fromkeys(("not_found_error", "model_not_found"), 404),
    **dict.fromkeys(("overloaded_error", "service_unavailable", "unavailable"), 503),
}
"""The status that a word stands for, where an error with status 200 names none."""

STATUS = re.compile(r"[45]\d\d")

LENGTH_WORDS = frozenset({"context_length_exceeded", "exceed_context_size_error", "string_above_max_length"})

TOO_LONG = re.compile(
    r"context.{0,20}(length|window|size)|(prompt|input|request).{0,40}(too long|exceeds?)", re.IGNORECASE | re.DOTALL
)
"""The words with which servers say that a prompt does not fit, in an error about the request."""

EXCEEDED = re.compile(
    r"context.{0,60}exceed|exceed.{0,60}context|(prompt|input) is too long|"
    r"maximum context length|longer than.{0,40}context|larger than.{0,40}context",
    re.IGNORECASE | re.DOTALL,
)
"""The words that say so in any error, whatever its status."""

RATE = re.compile(
    r"\b(input tokens|output tokens|tokens|requests) per (second|minute|min|hour|day|month)\b|\b([TR]P[MD])\b",
    re.IGNORECASE,
)
"""A provider's limit of a rate."""

SHORT_RATES: Mapping[str, str] = {
    "tpm": "tokens per minute",
    "rpm": "requests per minute",
    "tpd": "tokens per day",
    "rpd": "requests per day",
}

FILTER_CODES = frozenset(
    {
        *("content_filter", "contentfilter", "content_policy_violation", "contentpolicyviolationerror"),
        *("responsibleaipolicyviolation", "content_filter_error", "invalid_prompt", "moderation_blocked"),
        *("data_inspection_failed", "datainspectionfailed", "prohibited_content", "safety", "blocklist"),
        *("guardrail_intervened", "content_moderation", "flagged_input", "policy_violation"),
    }
)
"""The words with which providers say that their filter does not let a prompt through: OpenAI, Azure, LiteLLM, Moonshot,
Alibaba, Google, Bedrock, Mistral and routers in front of them."""

FILTERED = re.compile(
    r"content (filter(ing)?|management|moderation|safety)( system| policy)?\b|safety system\b|"
    r"\b(usage|content|safety) (policy|policies|guidelines)\b|content exists risk|inappropriate content|"
    r"\b(input|prompt|content|message|request) (was|were|is|has been) (flagged|moderated)|"
    r"responsible ai|considered high risk|ContentPolicyViolation",
    re.IGNORECASE,
)
"""The words that say so in an error about the request, where no code does."""

ABOUT_ACCOUNT = re.compile(r"\b(account|organi[sz]ation|api key)\b", re.IGNORECASE)
"""The words of an error about who asks, whatever was asked."""

AMOUNTS = re.compile(r"limit[: ]{1,3}([\d,]{1,15}).{0,60}?requested[: ]{1,3}([\d,]{1,15})", re.IGNORECASE | re.DOTALL)
"""A limit and the amount that a single request needs."""


class ErrorWords(NamedTuple):
    """The words of an error."""

    codes: frozenset[str] = frozenset()
    """The values of `type`, `code`, `status` and `reason`, in lower case."""
    message: str = ""
    """The texts for people, together."""
    first: str = ""
    """The first of these texts that is not JSON itself."""

    @property
    def status(self) -> int:
        """The status that an error names itself, by number or by word; 500 where it names none."""
        numbers = sorted(int(code) for code in self.codes if STATUS.fullmatch(code))
        named = sorted(STATUS_OF[code] for code in self.codes if code in STATUS_OF)
        return next(iter([*numbers, *named]), 500)

    def too_long(self, *, about_request: bool) -> bool:
        """Return whether a prompt did not fit. `about_request`: the status says that the request is wrong."""
        if self.codes & LENGTH_WORDS or EXCEEDED.search(self.message):
            return True
        return about_request and TOO_LONG.search(self.message) is not None

    def filtered(self, *, about_request: bool) -> bool:
        """Return whether the provider's filter withholds the reply because of what the prompt says."""
        if self.codes & FILTER_CODES:
            return True
        return about_request and bool(FILTERED.search(self.message)) and not ABOUT_ACCOUNT.search(self.message)

    @property
    def rate(self) -> str | None:
        """The limit of a rate that was reached, such as `tokens per minute`; None where no words say so."""
        found = RATE.search(self.message)
        if found is None:
            return None
        unit, per, short = found.groups()
        return SHORT_RATES[short.lower()] if short else f"{unit} per {'minute' if per == 'min' else per}".lower()

    @property
    def amounts(self) -> tuple[int, int] | None:
        """The limit of a rate, and what the request needs, where the words say both."""
        found = AMOUNTS.search(self.message)
        if found is None:
            return None
        limit, requested = (int(number.replace(",", "") or 0) for number in found.groups())
        return limit, requested


def words_of(report: object) -> ErrorWords:
    """Return the words of an error: JSON of any shape, or a text that may hold JSON."""
    codes: list[str] = []
    texts: list[str] = []
    first = ""
    for count, (name, value) in enumerate(_values("message", report, 0)):
        if count >= MOST:
            break
        if name in CODES:
            codes.append(value.lower())
        elif not first and not value.lstrip().startswith(("{", "[")):
            first = value
        texts.append(value)
    return ErrorWords(frozenset(codes), "\n".join(texts), first)


def _values(name: str, value: object, depth: int) -> Iterator[tuple[str, str]]:
    """Yield the codes and the texts of an error with their fields, the outer ones first."""
    if depth > DEEPEST or value is None:
        return
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, Any]", value)
        for key in sorted(fields, key=lambda key: key not in CODES):
            if key.lower() in CODES | TEXTS:
                yield from _values(key.lower(), fields[key], depth + 1)
    elif isinstance(value, list):
        for item in cast("list[object]", value)[:MOST]:
            yield from _values(name, item, depth + 1)
    else:
        text = str(value)[:LONGEST]
        yield name, text
        if isinstance(value, str) and (inner := _json_inside(text)) is not None:
            yield from _values("message", inner, depth + 1)


def _json_inside(text: str) -> object:
    """Return the first JSON object or list inside of a text; None where there is none."""
    starts = [start for start in (text.find("{"), text.find("[")) if start >= 0]
    for start in sorted(starts):
        try:
            return json.JSONDecoder().raw_decode(text, start)[0]
        except (ValueError, RecursionError):
            continue
    return None
