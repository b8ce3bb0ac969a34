"""No regular expression over foreign text takes a time by more than the text's length, whatever the text is."""

import re
import time
from typing import Any

import pytest

from activities.adapters.guards.guardrails_validators import Secrets
from tests.support.patterns import modules, patterns_in, seconds, texts_against

SHORT, MEGABYTE = 10_000, 1 << 20
"""The lengths of texts, in characters."""
NOTICED = 0.01
"""The processor time from which on it is worth to measure growth, in seconds."""
GROWTH = 3.0
"""The most that twice the text may cost: 2 where the time is linear, 4 where it goes by the square."""
LONGEST = 5.0
"""The most processor time for a megabyte, in seconds."""


def grows(pattern: re.Pattern[Any]) -> str | None:
    """Return the beginning of a text for which the time grows too fast, or takes too long; None if there is none."""
    worst, worst_text = 0.0, ""
    for text, twice in zip(texts_against(pattern, SHORT), texts_against(pattern, 2 * SHORT), strict=True):
        spent = seconds(pattern, text)
        if spent > NOTICED and min(seconds(pattern, twice) for _ in range(3)) > GROWTH * spent + NOTICED:
            return str(text[:20])
        if spent >= worst:
            worst, worst_text = spent, text
    long = worst_text[:-1] * (MEGABYTE // SHORT) + worst_text[-1:]
    return str(worst_text[:20]) if seconds(pattern, long) > LONGEST else None


def test_no_pattern_grows_by_more_than_the_length_of_its_worst_text() -> None:
    patterns = {place: pattern for module in modules() for place, pattern in patterns_in(module).items()}
    assert len(patterns) > 40
    growing = {place: text for place, pattern in patterns.items() if (text := grows(pattern)) is not None}
    assert growing == {}


@pytest.mark.parametrize("pattern", [r"(\w+)\s*=\s*([^;]*)", r"[.!?]+[\"')]*(?=\s)", r"\s+and\s+"])
def test_a_pattern_that_grows_by_the_square_is_noticed(pattern: str) -> None:
    assert grows(re.compile(pattern)) is not None


@pytest.mark.parametrize(
    "piece", ["://", "https://a:", "eyJ", 'x="', "password = ", "//:_authToken=", "AKIA", "a", " "]
)
def test_the_search_for_secrets_grows_with_the_length_of_a_line_and_not_by_its_square(piece: str) -> None:
    secrets = Secrets()

    def spent(length: int) -> float:
        text = (piece * (length // len(piece) + 1))[:length]
        began = time.process_time()
        secrets.validate(text, {})
        return time.process_time() - began

    spent(100)  # loads the detectors
    assert spent(48_000) < GROWTH * spent(24_000) + 0.1
