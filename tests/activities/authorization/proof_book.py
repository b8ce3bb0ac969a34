"""What a trial at the proof knows for itself: who is behind each name, and who has really agreed to what."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

STARTER = "sam"
GROUPS = {"lea": ("leads",), "liz": ("leads",), "bob": ("board",)}
"""What the identity service knows."""
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
"""The person behind each name that is written."""
SPELLED = tuple(name for name, person in NAMES.items() if person == "ann")
WAIT = timedelta(hours=10)
AFTER = timedelta(hours=4)


class Broken(Exception):
    """The proof has allowed what nobody agreed to, or refused what people did."""


@dataclass
class Told:
    """What came of a trial."""

    attempts: int = 0
    allowed: int = 0
    refused: int = 0
    kinds: set[str] = field(default_factory=set[str])

    def add(self, other: "Told") -> None:
        """What came of another one as well."""
        self.attempts += other.attempts
        self.allowed += other.allowed
        self.refused += other.refused
        self.kinds |= other.kinds


@dataclass
class Book:
    """What was really said about one step, since the last no."""

    yes: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    """By the arguments' digest: the people."""
    waited: set[str] = field(default_factory=set[str])
    """Arguments to which the policy has agreed, in time."""
    asked: dict[str, Any] = field(default_factory=dict[str, Any])
    """Since when people were asked for these arguments."""
