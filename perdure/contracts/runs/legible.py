"""Checks the words of a person who asks a question or gives a task."""

import unicodedata

from perdure.contracts.legibility import is_blank
from perdure.contracts.text import INLINE_LIMIT, Text


def legible_task(task: Text) -> Text:
    """Return the task of an agent if it can be used. Raises `ValueError` with the remedy."""
    return legible(task, "say what is to be done")


def legible(text: Text, remedy: str) -> Text:
    """Return a person's text if it can be used. Raises `ValueError` with the remedy."""
    body = text.body
    if body is None:
        raise ValueError("has no text: send the words themselves, not their digest alone")
    if text.tokens > INLINE_LIMIT:
        raise ValueError(f"is {text.tokens:,} bytes long, over the limit of {INLINE_LIMIT:,}: send less text")
    if not body.strip() or (is_blank(body) and not _has_control(body)):
        raise ValueError(f"is empty: {remedy}")
    odd = _has_control(body)
    if odd:
        raise ValueError(f"holds the control character {odd!r}: send text, not binary data")
    return text


def _has_control(body: str) -> str:
    """Return the first control character of a text that is no line break and no tab; empty for none."""
    return next((sign for sign in body if unicodedata.category(sign) == "Cc" and sign not in "\n\r\t"), "")
