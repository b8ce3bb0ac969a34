"""What the classifier sees of a text: hashed counts of its words, word pairs and character n-grams."""

import re
import unicodedata
import zlib
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

EDITION = 1
"""Changes with the features: weights of another edition are refused."""
BUCKETS = 1 << 15
"""Of each of the two kinds, words and characters: the first half of the features is for words."""
CHARACTERS = (3, 4, 5)
"""Lengths of character n-grams."""
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
"""Fibonacci hashing's odd constant, 2^64 over the golden ratio."""

_WORD = re.compile(r"\w+")
_INVISIBLE = re.compile(r"[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\U000e0000-\U000e007f]")

Numbers = NDArray[np.int64]
Weights = NDArray[np.float32]


def plain(text: str) -> str:
    """One line in lower case, with compatibility characters unfolded and invisible ones taken out."""
    return " ".join(_INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).lower().split())


def features(text: str) -> tuple[Numbers, Weights]:
    """The features that a plain text has, ascending, and how much of each: 1 + ln(count)."""
    found = np.concatenate([_words(text), BUCKETS + _characters(text)])
    which, counts = np.unique(found, return_counts=True)
    return which, (1 + np.log(counts)).astype(np.float32)


def _words(text: str) -> Numbers:
    words = _WORD.findall(text)
    names = [*words, *(f"{first} {second}" for first, second in pairwise(words))]
    return np.fromiter((zlib.crc32(name.encode()) % BUCKETS for name in names), np.int64, len(names))


def _characters(text: str) -> Numbers:
    """A space stands before and behind, so that n-grams tell the ends of words."""
    codes = np.frombuffer(f" {text} ".encode("utf-32-le", "replace"), np.uint32).astype(np.uint64)
    return np.concatenate([_hashed(codes, length) for length in CHARACTERS])


def _hashed(codes: NDArray[np.uint64], length: int) -> Numbers:
    if len(codes) < length:
        return np.empty(0, np.int64)
    count = len(codes) - length + 1
    mixed = np.full(count, length, np.uint64)
    for place in range(length):
        mixed = (mixed ^ codes[place : place + count]) * MULTIPLIER
        mixed ^= mixed >> np.uint64(29)
    return (mixed % np.uint64(BUCKETS)).astype(np.int64)


def stacked(texts: Sequence[str]) -> tuple[Numbers, Numbers, Weights]:
    """The features of plain texts, all in one: the text's number, the feature, and how much of it."""
    each = [features(text) for text in texts]
    rows = np.repeat(np.arange(len(each)), [len(which) for which, _ in each])
    return rows, np.concatenate([which for which, _ in each]), np.concatenate([much for _, much in each])
