"""The texts of all contenders: a question, three passages of about sixty words, an answer, and an agent's notes.

The passages are the same for all runs, as in a collection; each run has its own question, answer and notes, so that a
store by digest has something new to store.
"""

import random
import string


def question() -> str:
    """Return a new question."""
    return f"How many weeks of parental leave are paid in full at the site of {_name()}?"


def answer() -> str:
    """Return a new answer."""
    return f"Twenty weeks are paid in full at the site of {_name()}, at the salary of the last month before the leave."


TOOL = "read_note"
"""The one tool of the measured agents: it reads and changes nothing."""

NOTE_BYTES = 400


def note(number: int) -> str:
    """Return a new note of `NOTE_BYTES` bytes."""
    line = f"Note {number} of {_name()}: the delivery was checked, counted and put on the shelf. "
    return (line * NOTE_BYTES)[:NOTE_BYTES]


def _name() -> str:
    return "".join(random.choices(string.ascii_lowercase, k=10)).capitalize()  # noqa: S311 - no secret


PASSAGES = tuple(
    f"Leave > Chapter {number}\n"
    f"Employees of site {number} who become parents may take {20 + number} weeks of leave that are paid in full. "
    "The weeks are counted from the day of the birth or of the adoption, and public holidays within them do not add to "
    "them. The leave is asked for in writing, at least six weeks before it begins, and the manager confirms it within "
    "ten working days."
    for number in range(3)
)
