"""Calls of tools that stand in a reply's text, because `max_tokens` cut them before their server could read them."""

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
"""How the models of SGLang's and vLLM's parsers begin a call."""


class CallText:
    """Follows a reply to a prompt with tools while it streams, and tells its text up to a call that begins in it."""

    def __init__(self) -> None:
        self._content = ""
        self._told = ""

    def hear(self, piece: str) -> str:
        """The new characters that are certainly text."""
        self._content += piece
        words = before_call(self._content)
        if words == self._content:
            words = words[: len(words) - _half_open(words)]
        return self.rest(words)

    def rest(self, text: str) -> str:
        """What of the whole text was not told yet."""
        if not text.startswith(self._told):
            return ""
        new, self._told = text[len(self._told) :], text
        return new


def before_call(content: str) -> str:
    """The text before the first call that begins in it; all of it where none does."""
    places = [place for opening in OPENINGS if (place := content.find(opening)) >= 0]
    return content[: min(places)] if places else content


def whole_calls(calls: tuple[ToolCall, ...]) -> tuple[ToolCall, ...]:
    """Those whose arguments were written to their end."""
    return tuple(call for call in calls if call.name and _is_json(call.arguments))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _half_open(text: str) -> int:
    """How many characters at the end may be the beginning of a call."""
    longest = max(map(len, OPENINGS)) - 1
    for count in range(min(longest, len(text)), 0, -1):
        if any(opening.startswith(text[-count:]) for opening in OPENINGS):
            return count
    return 0
