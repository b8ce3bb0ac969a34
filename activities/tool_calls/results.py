"""Turns a tool's result into plain text of a bounded size."""

import re
from dataclasses import dataclass

LARGEST = 16 * 1024
"""The default limit of a result that a model is shown, in bytes. A token is at least one byte."""

REFUSAL = 500
"""The most characters of a model's refusal that a result shows."""

_MARKS = re.compile(
    r"<(?=\|[^|<>\n]{1,60}\|>|/?s>|(?:start|end)_of_turn>|/?(?:tool_call|tool_response|think)>)|\[(?=/?INST\])",
    re.IGNORECASE,
)
"""The beginnings of strings that a tokenizer may read as the marks between messages."""

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]"
)
"""Characters that models read and people do not see: control, direction and tag characters."""

_CONTROLS = re.compile("[\x01-\x08\x0b\x0e-\x1a\x1c-\x1f]")
BINARY = 0.01
"""The share of control characters above which a result is binary, from 0 to 1."""


class NotText(Exception):
    """A result is not text. The message says what it is instead."""


@dataclass(frozen=True)
class Plain:
    """A result as plain text."""

    text: str
    size: int
    """The size of the whole result, in bytes."""
    cut: int
    """The bytes that are not in `text`."""


def plain(result: object, largest: int = LARGEST) -> Plain:
    """Return the first `largest` bytes of a result as text, without invisible characters. Raises `NotText`."""
    if not isinstance(result, str):
        raise NotText(f"it returned {type(result).__name__}, not text")
    try:
        data = result.encode()
    except UnicodeEncodeError:
        raise NotText("it returned what is no valid Unicode") from None
    head = data[:largest].decode(errors="ignore")
    if "\0" in result or len(_CONTROLS.findall(head)) > BINARY * len(head):
        raise NotText("it returned binary data, not text")
    shown = len(head.encode())
    text = _UNSEEN.sub("", head.replace("\r\n", "\n").replace("\r", "\n"))
    return Plain(_MARKS.sub(lambda mark: f"{mark[0]} ", text), len(data), len(data) - shown)


def plain_line(text: str, longest: int) -> str:
    """Return untrusted text as one line of visible characters, without anything that looks like a model's marks.

    Used outside of a fence: for a reason in a list, or in a line that the platform writes.
    """
    line = " ".join(_UNSEEN.sub("", " ".join(text.encode(errors="replace").decode().split())).split())
    return _MARKS.sub(lambda mark: f"{mark[0]} ", line)[:longest]
