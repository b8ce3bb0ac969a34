"""How likely a text is an attempt to change the assistant's instructions: logistic regression over hashed n-grams."""

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
"""Characters up to which a text is judged as a whole too."""
WINDOW = 120
"""Characters judged together: an attempt within a long honest text would drown in it otherwise."""
OVERLAP = 60
"""Characters that two windows share, so that an attempt is not cut in half."""
TOGETHER = 64
"""Windows whose features are held at the same time."""


class Facts(BaseModel):
    """The small numbers of a model, and which arrays they belong to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    edition: int
    """Of the features."""
    intercept: float
    threshold: float = Field(gt=0, lt=1)
    """Probability from which a text counts as an attempt: about one in a hundred honest validation texts has it."""
    sha256: str
    """Of the file of arrays."""


class Classifier:
    """A trained model. Every feature has an inverse document frequency and a weight, both arrays of `2 * BUCKETS`."""

    def __init__(self, idf: Weights, weights: Weights, intercept: float, threshold: float) -> None:
        self.idf = idf
        self.weights = weights
        self.intercept = intercept
        self.threshold = threshold

    @classmethod
    def load(cls, arrays: Path = ARRAYS, facts: Path = FACTS) -> Self:
        """Read a model. No code is run from it. Raises `ValueError` where the files do not belong together."""
        known = Facts.model_validate_json(facts.read_text())
        data = arrays.read_bytes()
        if known.edition != EDITION or hashlib.sha256(data).hexdigest() != known.sha256:
            raise ValueError(f"{arrays.name} is not the model that {facts.name} describes: run `make train-injection`")
        with np.load(BytesIO(data), allow_pickle=False) as read:
            idf, weights = (read[name].astype(np.float32) for name in ("idf", "weights"))
        if not idf.shape == weights.shape == (2 * BUCKETS,):
            raise ValueError(f"{arrays.name} has {idf.shape} and {weights.shape} features, not {2 * BUCKETS} each")
        return cls(idf, weights, known.intercept, known.threshold)

    def save(self, arrays: Path = ARRAYS, facts: Path = FACTS) -> str:
        """Write the model; returns the SHA-256 of its arrays. The same model is the same bytes."""
        out = BytesIO()
        np.savez(out, idf=self.idf.astype(np.float16), weights=self.weights.astype(np.float16))
        digest = hashlib.sha256(out.getvalue()).hexdigest()
        known = Facts(edition=EDITION, intercept=self.intercept, threshold=self.threshold, sha256=digest)
        arrays.write_bytes(out.getvalue())
        facts.write_text(json.dumps(known.model_dump(), indent=2) + "\n")
        return digest

    def probability(self, text: str) -> float:
        """The highest of any window of the text, 0 to 1. 200 KB take about a second."""
        cut = judged(text)
        return max(float(self._of(cut[at : at + TOGETHER]).max()) for at in range(0, len(cut), TOGETHER))

    def probabilities(self, texts: list[str]) -> NDArray[np.float64]:
        """Of each text, as `probability`."""
        return np.array([self.probability(text) for text in texts])

    def _of(self, cut: list[str]) -> NDArray[np.float64]:
        rows, which, much = stacked(cut)
        weighed = much * self.idf[which]
        length = np.sqrt(_sums(rows, weighed * weighed, len(cut)))
        logits = _sums(rows, weighed * self.weights[which], len(cut)) / np.maximum(length, 1e-12)
        return 1 / (1 + np.exp(-(logits + self.intercept)))


def judged(text: str) -> list[str]:
    """What of a text is judged: its text_windows, and a short one as a whole too."""
    whole = plain(text)
    cut = list(text_windows(whole, WINDOW, OVERLAP))
    return [*cut, whole] if WINDOW < len(whole) <= WHOLE else cut


def _sums(rows: Numbers, values: NDArray[Any], count: int) -> NDArray[np.float64]:
    return np.bincount(rows, values, count).astype(np.float64)
