"""Removes tool calls from a reply's text, where `max_tokens` cut them before their server could parse them."""

import json

from activities.ports import ToolCall

OPENINGS = (
    "<tool_call>",
    "<|tool_call|>",
    "<|tool_call>",
    "<|python_tag|>",
    "<function=",
    "[TOOL_CALLS]",
    "<|tool_calls_section_begin|>",
    "<\uff5ctool\u2581calls\u2581begin\uff5c>",
)
"""The openings of a call, for the models that SGLang's and vLLM's parsers support."""


class CallText:
    """Reads a reply to a prompt with tools while it streams, and returns its text up to the first call."""

    def __init__(self) -> None:
        self._content = ""
        self._sent = ""

    def add(self, piece: str) -> str:
        """Add a piece; return the new characters that are certainly text."""
        self._content += piece
        text = before_call(self._content)
        if text == self._content:
            text = text[: len(text) - _length_of_partial_opening(text)]
        return self.unsent_rest(text)

    def unsent_rest(self, text: str) -> str:
        """Return the part of the whole text that was not returned yet."""
        if not text.startswith(self._sent):
            return ""
        unsent, self._sent = text[len(self._sent) :], text
        return unsent


def before_call(content: str) -> str:
    """Return the text before the first call; all of it where there is none."""
    positions = [position for opening in OPENINGS if (position := content.find(opening)) >= 0]
    return content[: min(positions)] if positions else content


def whole_calls(calls: tuple[ToolCall, ...]) -> tuple[ToolCall, ...]:
    """Return the calls whose arguments are complete."""
    return tuple(call for call in calls if call.name and _is_json(call.arguments))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _length_of_partial_opening(text: str) -> int:
    """Return how many characters at the end may be the start of a call's opening."""
    longest = max(map(len, OPENINGS)) - 1
    for count in range(min(longest, len(text)), 0, -1):
        if any(opening.startswith(text[-count:]) for opening in OPENINGS):
            return count
    return 0
