"""Computes the classifier's features of a text: hashed counts of words, word pairs and character n-grams."""

import re
import unicodedata
import zlib
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

EDITION = 1
"""The edition of the features; weights of another edition are refused."""
BUCKETS = 1 << 15
"""The number of hash buckets for words, and again for characters. The features of words come first."""
CHARACTERS = (3, 4, 5)
"""The lengths of character n-grams."""
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
"""Fibonacci hashing's odd constant, 2^64 over the golden ratio."""

_WORD = re.compile(r"\w+")
_INVISIBLE = re.compile(r"[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\U000e0000-\U000e007f]")

Numbers = NDArray[np.int64]
Weights = NDArray[np.float32]


def plain(text: str) -> str:
    """Return the text as one line in lower case, NFKC-normalized and without invisible characters."""
    return " ".join(_INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).lower().split())


def features(text: str) -> tuple[Numbers, Weights]:
    """Return the numbers of a plain text's features, ascending, and the amount of each: 1 + ln(count)."""
    occurrences = np.concatenate([_words(text), BUCKETS + _characters(text)])
    feature_numbers, counts = np.unique(occurrences, return_counts=True)
    return feature_numbers, (1 + np.log(counts)).astype(np.float32)


def _words(text: str) -> Numbers:
    words = _WORD.findall(text)
    names = [*words, *(f"{first} {second}" for first, second in pairwise(words))]
    return np.fromiter((zlib.crc32(name.encode()) % BUCKETS for name in names), np.int64, len(names))


def _characters(text: str) -> Numbers:
    """Return the hashed n-grams of characters. A space at both ends of the text lets n-grams show the ends of words."""
    codes = np.frombuffer(f" {text} ".encode("utf-32-le", "replace"), np.uint32).astype(np.uint64)
    return np.concatenate([_hashed(codes, length) for length in CHARACTERS])


def _hashed(codes: NDArray[np.uint64], length: int) -> Numbers:
    if len(codes) < length:
        return np.empty(0, np.int64)
    count = len(codes) - length + 1
    mixed = np.full(count, length, np.uint64)
    for position in range(length):
        mixed = (mixed ^ codes[position : position + count]) * MULTIPLIER
        mixed ^= mixed >> np.uint64(29)
    return (mixed % np.uint64(BUCKETS)).astype(np.int64)


def stacked(texts: Sequence[str]) -> tuple[Numbers, Numbers, Weights]:
    """Return the features of plain texts as three arrays: the text's number, the feature's number and the amount."""
    each = [features(text) for text in texts]
    rows = np.repeat(np.arange(len(each)), [len(feature_numbers) for feature_numbers, _ in each])
    return (
        rows,
        np.concatenate([feature_numbers for feature_numbers, _ in each]),
        np.concatenate([amounts for _, amounts in each]),
    )
