"""No regular expression over foreign text takes a time by more than the text's length, whatever the text is."""

import re
import time
from typing import Any, cast

import pytest
import regex
from presidio_analyzer import predefined_recognizers

from activities.adapters.guards.guardrails_validators import Secrets
from activities.adapters.guards.personal_data import KINDS, WINDOW
from tests.support.patterns import modules, patterns_in, seconds, texts_against

SHORT, LONGER, MEGABYTE = 1_000, 4_000, 1 << 20
"""The lengths of texts, in characters."""
NOTICED = 0.01
"""The processor time that is too short to measure growth by, in seconds."""
GROWTH = 3.0
"""The most that twice the text may cost: 2 where the time is linear, 4 where it goes by the square."""
TRIES = 4
"""How often a text that seems to grow too fast is tried again."""
LONGEST_WINDOW = 0.1
"""The most processor time for a window of personal data, in seconds."""
LONGEST = 5.0
"""The most processor time for a megabyte, in seconds."""


def grows(pattern: re.Pattern[Any]) -> str | None:
    """Return the beginning of a text for which the time grows too fast, or takes too long; None if there is none."""
    worst, worst_text = 0.0, ""
    for text in texts_against(pattern, SHORT):
        spent = _followed(pattern, text, LONGER)
        if spent is None:
            return str(text[:20])
        if spent >= worst:
            worst, worst_text = spent, text
    spent = _followed(pattern, worst_text, MEGABYTE)
    return str(worst_text[:20]) if spent is None or spent > LONGEST else None


def _followed(pattern: re.Pattern[Any], text: Any, longest: int) -> float | None:
    """Double a text until it is as long as this; return the time for the longest, None where it grows too fast."""
    spent = seconds(pattern, text)
    while len(text) < longest:
        text, before = text[:-1] * 2 + text[-1:], spent
        spent = seconds(pattern, text)
        if spent > GROWTH * before + NOTICED:
            # A busy machine slows one try, and seldom each of several.
            half = text[: len(text) // 2] + text[-1:]
            before = max(seconds(pattern, half) for _ in range(TRIES))
            spent = min(seconds(pattern, text) for _ in range(TRIES))
            if spent > GROWTH * before + NOTICED:
                return None
    return spent


def _surely(pattern: re.Pattern[Any]) -> str | None:
    """Return what `grows` does, where it does so three times: a busy machine may disturb one."""
    return grows(pattern) and grows(pattern) and grows(pattern)


def test_no_pattern_grows_by_more_than_the_length_of_its_worst_text() -> None:
    patterns = {place: pattern for module in modules() for place, pattern in patterns_in(module).items()}
    assert len(patterns) > 40
    growing = {place: text for place, pattern in patterns.items() if (text := _surely(pattern)) is not None}
    assert growing == {}


def test_no_pattern_of_presidio_takes_long_for_its_worst_window() -> None:
    recognizers = [getattr(predefined_recognizers, kind.recognizer)() for kind in KINDS.values() if kind.recognizer]
    patterns = {
        f"{type(each).__name__}: {pattern.name}": pattern.regex
        for each in recognizers
        for pattern in getattr(each, "patterns", ())
    }
    assert len(patterns) > 15
    slow: dict[str, float] = {}
    for name, pattern in patterns.items():
        ours = re.compile(pattern, re.DOTALL | re.MULTILINE | re.IGNORECASE)
        theirs = cast("re.Pattern[Any]", regex.compile(pattern, regex.DOTALL | regex.MULTILINE | regex.IGNORECASE))
        for text in texts_against(ours, WINDOW):
            # A text is judged in windows, so a bound for each of them bounds the time by the text's length.
            spent = min(seconds(theirs, text) for _ in range(TRIES))
            slow[name] = max(slow.get(name, 0.0), spent)
    assert {name: spent for name, spent in slow.items() if spent > LONGEST_WINDOW} == {}


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
