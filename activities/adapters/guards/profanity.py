"""Estimates how likely a text is to insult or swear, with the linear model in the package alt-profanity-check."""

from collections.abc import Sequence
from typing import Any, cast

import profanity_check

from activities.adapters.guards.text_windows import text_windows

WINDOW = 200
"""The characters that are judged together. The model was trained on comments and misses an insult in a long text."""
OVERLAP = 50
"""The characters that two windows share."""
WINDOWS_AT_ONCE = 64
"""The number of windows whose features are held at the same time."""


def probability(text: str) -> float:
    """Return the highest probability of any window of the text, 0 to 1. 200 KB take about half a second."""
    windows = list(text_windows(text, WINDOW, OVERLAP))
    return max(
        max(_probabilities(windows[start : start + WINDOWS_AT_ONCE]))
        for start in range(0, len(windows), WINDOWS_AT_ONCE)
    )


def _probabilities(texts: Sequence[str]) -> list[float]:
    return [float(value) for value in cast("Any", profanity_check).predict_prob(list(texts))]
