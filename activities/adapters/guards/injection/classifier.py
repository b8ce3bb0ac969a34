"""Classifies attempts to change the assistant's instructions, by logistic regression over hashed n-grams."""

import hashlib
import json
from io import BytesIO
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from activities.adapters.guards.injection.features import BUCKETS, EDITION, Numbers, Weights, plain, stacked
from activities.adapters.guards.text_windows import text_windows

HOME = Path(__file__).resolve().parent
ARRAYS, FACTS, CARD = HOME / "model.npz", HOME / "model.json", HOME / "MODEL_CARD.md"

WHOLE = 300
"""The longest text that is also judged as a whole, in characters."""
WINDOW = 120
"""The characters that are judged together: an attempt within a long honest text would be missed otherwise."""
OVERLAP = 60
"""The characters that two windows share, so that an attempt is not cut in half."""
WINDOWS_AT_ONCE = 64
"""The number of windows whose features are held at the same time."""


class Facts(BaseModel):
    """The small numbers of a model, and the digest of the arrays that they belong to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    edition: int
    """The edition of the features."""
    intercept: float
    threshold: float = Field(gt=0, lt=1)
    """The corrected probability from which on a text counts as an attempt."""
    slope: float = Field(default=0.0, ge=0)
    """How much a text of n windows is corrected for them: this times ln(n) is taken from its log-odds."""
    sha256: str
    """The digest of the file of arrays."""


class Classifier:
    """A trained model. Each feature has an inverse document frequency and a weight, in two arrays of `2 * BUCKETS`.

    A text of n windows has n chances of a false alarm. Bonferroni's inequality bounds the chance that any of them
    exceeds a level x by n * P(X > x). Where the tail of the windows' log-odds is exponential with the mean excess s,
    this bound stays the same if x rises by s * ln(n). So s * ln(n) is taken from the log-odds of the highest window,
    and the rest is compared with one threshold for texts of every length. s is `slope`; 0 corrects nothing.
    """

    def __init__(self, idf: Weights, weights: Weights, intercept: float, threshold: float, slope: float = 0.0) -> None:
        self.idf = idf
        self.weights = weights
        self.intercept = intercept
        self.threshold = threshold
        self.slope = slope

    @classmethod
    def load(cls, arrays: Path = ARRAYS, facts: Path = FACTS) -> Self:
        """Load a model, without running code from it. Raises `ValueError` where the files do not belong together."""
        content = Facts.model_validate_json(facts.read_text())
        data = arrays.read_bytes()
        if content.edition != EDITION or hashlib.sha256(data).hexdigest() != content.sha256:
            raise ValueError(f"{arrays.name} is not the model that {facts.name} describes: run `make train-injection`")
        with np.load(BytesIO(data), allow_pickle=False) as read:
            idf, weights = (read[name].astype(np.float32) for name in ("idf", "weights"))
        if not idf.shape == weights.shape == (2 * BUCKETS,):
            raise ValueError(f"{arrays.name} has {idf.shape} and {weights.shape} features, not {2 * BUCKETS} each")
        return cls(idf, weights, content.intercept, content.threshold, content.slope)

    def save(self, arrays: Path = ARRAYS, facts: Path = FACTS) -> str:
        """Write the model; return the SHA-256 of its arrays. The same model gives the same bytes."""
        out = BytesIO()
        np.savez(out, idf=self.idf.astype(np.float16), weights=self.weights.astype(np.float16))
        digest = hashlib.sha256(out.getvalue()).hexdigest()
        arrays.write_bytes(out.getvalue())
        self.save_facts(digest, facts)
        return digest

    def save_facts(self, digest: str, facts: Path = FACTS) -> None:
        """Write the small numbers of the model whose arrays have this SHA-256."""
        content = Facts(
            edition=EDITION, intercept=self.intercept, threshold=self.threshold, slope=self.slope, sha256=digest
        )
        facts.write_text(json.dumps(content.model_dump(), indent=2) + "\n")

    def probability(self, text: str) -> float:
        """Return the highest probability of any window, corrected for their number, 0 to 1. 200 KB take a second."""
        odds = self.log_odds(text)
        return float(1 / (1 + np.exp(self.slope * np.log(len(odds)) - odds.max())))

    def log_odds(self, text: str) -> NDArray[np.float64]:
        """Return the log-odds of each window of the text, uncorrected."""
        windows = judged(text)
        return np.concatenate(
            [
                self._window_log_odds(windows[start : start + WINDOWS_AT_ONCE])
                for start in range(0, len(windows), WINDOWS_AT_ONCE)
            ]
        )

    def probabilities(self, texts: list[str]) -> NDArray[np.float64]:
        """Return the probability of each text."""
        return np.array([self.probability(text) for text in texts])

    def _window_log_odds(self, windows: list[str]) -> NDArray[np.float64]:
        rows, feature_numbers, amounts = stacked(windows)
        weighed = amounts * self.idf[feature_numbers]
        length = np.sqrt(_sums(rows, weighed * weighed, len(windows)))
        logits = _sums(rows, weighed * self.weights[feature_numbers], len(windows)) / np.maximum(length, 1e-12)
        return logits + self.intercept


def judged(text: str) -> list[str]:
    """Return the parts of a text that are judged: its windows, and a short text also as a whole."""
    whole = plain(text)
    windows = list(text_windows(whole, WINDOW, OVERLAP))
    return [*windows, whole] if WINDOW < len(whole) <= WHOLE else windows


def _sums(rows: Numbers, values: NDArray[Any], count: int) -> NDArray[np.float64]:
    return np.bincount(rows, values, count).astype(np.float64)
