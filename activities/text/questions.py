"""Splits a question that asks several things at once. Pure functions, no model."""

import re

MOST_PARTS = 4
"""The most parts of a question. A question with more stays whole, since the split is probably wrong."""

SHORTEST_PART = 3
"""The fewest words of a part: a shorter piece is no question of its own."""

OPENINGS = (
    "what", "which", "who", "whose", "whom", "when", "where", "why", "how", "is", "are", "am", "do", "does", "did",
    "can", "could", "may", "must", "should", "will", "would", "by what", "for how", "in which", "on which",
    "at what", "from which", "until when", "to whom", "after how", "within what",
)  # fmt: skip
"""The words that begin a question, and so a new part."""

# The question's white space is single spaces by now: a pattern for any white space would take a time by its square.
_JOINT = re.compile(
    r"(?:\? (?:and |also,? )?|[,;] ?and | and (?:also )?)(?=(?:" + "|".join(OPENINGS) + r")\b)",
    re.IGNORECASE,
)


def parts_of(question: str) -> list[str]:
    """Return the parts, each a question of its own, or the whole question if it asks one thing.

    `How long is A, and which B do we use?` gives `How long is A?` and `Which B do we use?`.
    """
    whole = " ".join(question.split())
    parts = [part.strip(" ,;?") for part in _JOINT.split(whole)]
    parts = [part for part in parts if part]
    if not 1 < len(parts) <= MOST_PARTS or any(len(part.split()) < SHORTEST_PART for part in parts):
        return [whole]
    return [part[0].upper() + part[1:] + "?" for part in parts]
