"""The records of one trial at the proof of approval: the person behind each name, and what people really agreed to."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

STARTER = "sam"
GROUPS = {"lea": ("leads",), "liz": ("leads",), "bob": ("board",)}
"""The groups of each person, as the identity service knows them."""
NAMES = {
    **{name: name for name in ("ann", "ben", "cyd", "lea", "liz", "bob", "sam")},
    " Ann": "ann",
    "\uff41nn": "ann",
    "a\u200bnn": "ann",
    "ANN": "ann",
    "\u00aann": "ann",
    "Ben": "ben",
    "b en": "ben",
    "Sam": "sam",
    "s\u200bam": "sam",
    "\u017fam": "sam",
    "LEA": "lea",
}
"""The person behind each spelling of a name."""
SPELLED = tuple(name for name, person in NAMES.items() if person == "ann")
WAIT = timedelta(hours=10)
AFTER = timedelta(hours=4)


class Broken(Exception):
    """The proof has allowed a call that nobody agreed to, or refused one that people agreed to."""


@dataclass
class TrialCounts:
    """The counts of one trial or of several."""

    attempts: int = 0
    allowed: int = 0
    refused: int = 0
    kinds: set[str] = field(default_factory=set[str])

    def add(self, other: "TrialCounts") -> None:
        """Add the counts of another trial."""
        self.attempts += other.attempts
        self.allowed += other.allowed
        self.refused += other.refused
        self.kinds |= other.kinds


@dataclass
class Book:
    """The real decisions about one step since the last denial."""

    yes: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    """The people who agreed, by the digest of the arguments."""
    waited: set[str] = field(default_factory=set[str])
    """The digests of the arguments that the policy agreed to after its full waiting time."""
    asked: dict[str, Any] = field(default_factory=dict[str, Any])
    """The time since when people are asked, by the digest of the arguments."""
