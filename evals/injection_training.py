"""Fits the classifier: TF-IDF over hashed features, logistic regression, and a threshold from honest texts."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO, StringIO
from typing import Any, cast

import numpy as np
import pyarrow.parquet
from scipy import sparse
from sklearn import metrics
from sklearn.linear_model import LogisticRegression

from activities.adapters.guards.injection.classifier import Classifier, judged
from activities.adapters.guards.injection.features import BUCKETS, Weights, plain, stacked

STRENGTH = 3.0
"""`C` of the logistic regression: the best of 3, 10 and 30 by AUC on the validation split."""
HONEST_ABOVE = 0.01
"""The share of honest validation texts that may be above the threshold."""


@dataclass(frozen=True)
class Example:
    """A text, whether it is an attack, and how much it counts in training."""

    text: str
    attack: bool
    weight: float = 1.0


def attacks(texts: Sequence[str]) -> list[Example]:
    """Texts that are all attacks."""
    return [Example(text, attack=True) for text in texts]


def honest(texts: Sequence[str], weight: float = 1.0) -> list[Example]:
    """Texts of which none is an attack."""
    return [Example(text, attack=False, weight=weight) for text in texts]


def read_csv(data: bytes) -> list[Example]:
    """Examples from a file with the columns `text` and `label`, where 1 is an attack."""
    rows = csv.DictReader(StringIO(data.decode("utf-8-sig"), newline=""))
    return [Example(row["text"], attack=row["label"] == "1") for row in rows]


def read_parquet(data: bytes) -> list[Example]:
    """The same from a Parquet file."""
    table = cast("Any", pyarrow.parquet).read_table(BytesIO(data), columns=["text", "label"])
    return [Example(row["text"], attack=row["label"] == 1) for row in table.to_pylist()]


def fit(examples: Sequence[Example], validation: Sequence[Example]) -> Classifier:
    """Train on some examples, and set the threshold on others. The same examples give the same model.

    Every window of an honest text is an honest example of its own, because windows are what is judged. Of an attack
    nobody knows which windows hold it.
    """
    examples = [part for example in examples for part in _parts(example)]
    counts = _matrix([example.text for example in examples])
    appearing = np.bincount(counts.indices, minlength=2 * BUCKETS)
    idf = np.log((1 + len(examples)) / (1 + appearing)) + 1
    weighed = counts.multiply(idf).tocsr()
    lengths = np.sqrt(np.asarray(weighed.multiply(weighed).sum(axis=1)).ravel())
    model: Any = LogisticRegression(C=STRENGTH, max_iter=2000, tol=1e-8)
    model.fit(
        sparse.diags(1 / np.maximum(lengths, 1e-12)) @ weighed,
        np.array([example.attack for example in examples]),
        sample_weight=np.array([example.weight for example in examples]),
    )
    # What is kept has half precision, and so has what the threshold is set with.
    kept = Classifier(_halved(idf), _halved(model.coef_[0]), round(float(model.intercept_[0]), 4), 0.5)
    let_pass = kept.probabilities([example.text for example in validation if not example.attack])
    kept.threshold = round(float(np.quantile(let_pass, 1 - HONEST_ABOVE)), 3)
    return kept


def auc(classifier: Classifier, examples: Sequence[Example]) -> float:
    """The area under the ROC curve: how often an attack is above an honest text."""
    found = classifier.probabilities([example.text for example in examples])
    return float(cast("Any", metrics).roc_auc_score([example.attack for example in examples], found))


def _parts(example: Example) -> list[Example]:
    cut = [] if example.attack else judged(example.text)
    return [example, *honest([part for part in cut if part != plain(example.text)], example.weight)]


def _matrix(texts: Sequence[str]) -> Any:
    rows, which, much = stacked([plain(text) for text in texts])
    return sparse.csr_matrix((much, (rows, which)), shape=(len(texts), 2 * BUCKETS))


def _halved(values: Any) -> Weights:
    return np.asarray(values).astype(np.float16).astype(np.float32)
