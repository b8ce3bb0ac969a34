"""How likely a text is to insult or swear, by the linear model of alt-profanity-check, which comes in its package."""

from collections.abc import Sequence
from typing import Any, cast

import profanity_check

from activities.adapters.guards.text_windows import text_windows

WINDOW = 200
"""Characters judged together: the model was trained on comments, and an insult would drown in a long text."""
OVERLAP = 50
TOGETHER = 64


def probability(text: str) -> float:
    """The highest of any window of the text, 0 to 1. 200 KB take about half a second."""
    cut = list(text_windows(text, WINDOW, OVERLAP))
    return max(max(_probabilities(cut[at : at + TOGETHER])) for at in range(0, len(cut), TOGETHER))


def _probabilities(texts: Sequence[str]) -> list[float]:
    return [float(found) for found in cast("Any", profanity_check).predict_prob(list(texts))]
