"""Fits the injection classifier: TF-IDF over hashed features, logistic regression, a threshold for every length."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO, StringIO
from typing import Any, cast

import numpy as np
import pyarrow.parquet
from numpy.typing import NDArray
from scipy import sparse
from sklearn import metrics
from sklearn.linear_model import LogisticRegression

from activities.adapters.guards.injection.classifier import Classifier, judged
from activities.adapters.guards.injection.features import BUCKETS, Weights, plain, stacked

STRENGTH = 3.0
"""`C` of the logistic regression: the best of 3, 10 and 30 by AUC on the validation split."""
HONEST_ABOVE = 0.01
"""The share of honest validation texts that may be above the threshold."""
TAIL = 0.97
"""The quantile above which a window's log-odds are in the tail whose slope is measured."""
ALARMS = 0.003
"""The share of honest texts of a kind that may be above the threshold.

2 % is promised for other texts. Of 1,000 texts, 0.3 % may be 0.9 % by Wilson's interval, and other sources differ.
"""


@dataclass(frozen=True)
class Example:
    """A text, whether it is an attack, and how much it counts in training."""

    text: str
    attack: bool
    weight: float = 1.0


def attacks(texts: Sequence[str]) -> list[Example]:
    """Label the texts as attacks."""
    return [Example(text, attack=True) for text in texts]


def honest(texts: Sequence[str], weight: float = 1.0) -> list[Example]:
    """Label the texts as honest."""
    return [Example(text, attack=False, weight=weight) for text in texts]


def read_csv(data: bytes) -> list[Example]:
    """Read examples from a CSV file with the columns `text` and `label`, where 1 is an attack."""
    rows = csv.DictReader(StringIO(data.decode("utf-8-sig"), newline=""))
    return [Example(row["text"], attack=row["label"] == "1") for row in rows]


def read_parquet(data: bytes) -> list[Example]:
    """Read examples from a Parquet file with the columns `text` and `label`, where 1 is an attack."""
    table = cast("Any", pyarrow.parquet).read_table(BytesIO(data), columns=["text", "label"])
    return [Example(row["text"], attack=row["label"] == 1) for row in table.to_pylist()]


def fit(examples: Sequence[Example], validation: Sequence[Example]) -> Classifier:
    """Train on some examples, and set the threshold on others. The same examples give the same model.

    Every window of an honest text is an honest example of its own, because the classifier judges windows. The windows
    of an attack are not used: which of them hold the attack is unknown.
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
    # The threshold is set with the half-precision weights that are stored.
    classifier = Classifier(_halved(idf), _halved(model.coef_[0]), round(float(model.intercept_[0]), 4), 0.5)
    honest_scores = classifier.probabilities([example.text for example in validation if not example.attack])
    classifier.threshold = round(float(np.quantile(honest_scores, 1 - HONEST_ABOVE)), 3)
    return classifier


def correct(classifier: Classifier, kinds: Mapping[str, Sequence[str]]) -> Classifier:
    """Return the classifier with a threshold for texts of every length, from honest texts of several kinds.

    The slope is the mean excess of the windows' log-odds above a high quantile: the scale of an exponential tail (peaks
    over threshold, Pickands 1975, with the shape 0). It is the median of the kinds', so that no one kind decides. The
    threshold is the lowest that at most 0.3 % of the texts of every kind reach.
    """
    odds = {kind: [classifier.log_odds(text) for text in texts] for kind, texts in kinds.items()}
    slope = round(float(np.median([_mean_excess(np.concatenate(each)) for each in odds.values()])), 2)
    levels = [
        np.quantile([each.max() - slope * np.log(len(each)) for each in texts], 1 - ALARMS, method="higher")
        for texts in odds.values()
    ]
    threshold = float(1 / (1 + np.exp(-max(levels))))
    # Rounded up: a lower threshold would give more alarms than were allowed.
    return Classifier(
        classifier.idf, classifier.weights, classifier.intercept, float(np.ceil(10_000 * threshold) / 10_000), slope
    )


def _mean_excess(values: NDArray[np.float64]) -> float:
    start = np.quantile(values, TAIL)
    return float(np.mean(values[values > start]) - start)


def auc(classifier: Classifier, examples: Sequence[Example]) -> float:
    """Return the area under the ROC curve: how often an attack scores above an honest text."""
    scores = classifier.probabilities([example.text for example in examples])
    return float(cast("Any", metrics).roc_auc_score([example.attack for example in examples], scores))


def _parts(example: Example) -> list[Example]:
    windows = [] if example.attack else judged(example.text)
    return [example, *honest([part for part in windows if part != plain(example.text)], example.weight)]


def _matrix(texts: Sequence[str]) -> Any:
    rows, columns, values = stacked([plain(text) for text in texts])
    return sparse.csr_matrix((values, (rows, columns)), shape=(len(texts), 2 * BUCKETS))


def _halved(values: Any) -> Weights:
    return np.asarray(values).astype(np.float16).astype(np.float32)
