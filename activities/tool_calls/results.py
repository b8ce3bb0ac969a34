"""What is seen of a tool's result: plain text of a bounded size."""

import re
from dataclasses import dataclass

LARGEST = 16 * 1024
"""Bytes of a result that a model is shown where nobody said; a token is never less than one of them."""

_MARKS = re.compile(
    r"<(?=\|[^|<>\n]{1,60}\|>|/?s>|(?:start|end)_of_turn>|/?(?:tool_call|tool_response|think)>)|\[(?=/?INST\])",
    re.IGNORECASE,
)
"""Where words begin that a model's tokenizer may take for the marks between messages."""

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]"
)
"""Characters that people do not see and models read: control, direction and tag characters."""

_CONTROLS = re.compile("[\x01-\x08\x0b\x0e-\x1a\x1c-\x1f]")
BINARY = 0.01
"""The share of control characters from which on a text is none."""


class NotText(Exception):
    """A result that is no text. The message says what it is instead."""


@dataclass(frozen=True)
class Plain:
    """A result as plain text."""

    text: str
    size: int
    """Bytes of the whole."""
    cut: int
    """Bytes that are not in `text`."""


def plain(result: object, largest: int = LARGEST) -> Plain:
    """The beginning of a result, up to `largest` bytes, without what people cannot see. Raises `NotText`."""
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
    """Foreign words as one line of characters that people can see, with nothing in it that looks like a model's marks.

    For what stands outside of a fence: a reason in a list, or in a line of the platform's own.
    """
    line = " ".join(_UNSEEN.sub("", " ".join(text.encode(errors="replace").decode().split())).split())
    return _MARKS.sub(lambda mark: f"{mark[0]} ", line)[:longest]
