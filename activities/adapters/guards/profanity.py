"""Estimates how likely a text is to insult or swear, with the linear model in the package alt-profanity-check."""

from collections.abc import Sequence
from functools import cache
from typing import Any, cast

import numpy as np
import profanity_check.profanity_check as package
from numpy.typing import NDArray

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


@cache
def _lines() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the weights (features, models), intercepts, slopes and offsets of the package's model, an ensemble.

    The package's own function gives the same, and spends twenty times as long on checking its arguments.
    """
    members = cast("Any", package).model.calibrated_classifiers_
    weights = np.column_stack([member.estimator.coef_[0] for member in members])
    intercepts = np.array([member.estimator.intercept_[0] for member in members])
    slopes, offsets = np.array([[member.calibrators[0].a_, member.calibrators[0].b_] for member in members]).T
    return weights, intercepts, slopes, offsets


def _probabilities(texts: Sequence[str]) -> list[float]:
    weights, intercepts, slopes, offsets = _lines()
    features = cast("Any", package).vectorizer.transform(texts)
    scores = np.asarray(features @ weights) + intercepts
    return [float(mean) for mean in (1 / (1 + np.exp(slopes * scores + offsets))).mean(axis=1)]
