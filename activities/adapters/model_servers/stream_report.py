"""Collects a server's report of its reply from the events: the model, the tokens, and why the reply ended."""

from collections.abc import Mapping
from typing import Any, cast

from activities.ports import Usage

FINISHED: Mapping[str, str] = {
    **dict.fromkeys(("stop", "end_turn", "stop_sequence", "eos", "eos_token"), "stop"),
    **dict.fromkeys(("length", "max_tokens", "model_length", "model_context_window_exceeded"), "length"),
    **dict.fromkeys(("tool_calls", "tool_use", "function_call"), "tool_calls"),
    **dict.fromkeys(("content_filter", "refusal"), "content_filter"),
}
"""The reasons why a reply ended: the port's word for each provider's."""

Event = Mapping[str, Any]


class ModelReport:
    """The report of one reply, from its events or from the whole reply; in OpenAI's protocol or in Anthropic's."""

    def __init__(self) -> None:
        self.model: str | None = None
        """The model's name in the reply."""
        self.ended: str | None = None
        """Why the reply ended, in the provider's word; None before its end."""
        self.usage: Usage | None = None
        """The tokens used so far, where the server reports them while it streams; at the end the total."""
        self.started = False
        """Whether the reply has begun."""
        self._input: int | None = None
        self._output: int | None = None
        self._cached = 0

    @property
    def finish_reason(self) -> str | None:
        """Why the reply ended, in the port's word; None before its end, and for an unknown word of the provider."""
        return FINISHED.get(self.ended or "")

    def add_event(self, event: Event) -> None:
        """Add an event. Raises a built-in exception, such as `TypeError`, for a shape that is not the protocol's."""
        message = _mapping(event.get("message"))
        self.model = event.get("model") or message.get("model") or self.model
        choices: list[Any] = event.get("choices") or []
        for choice in map(_mapping, choices):
            self.ended = choice.get("finish_reason") or self.ended
            message_part = _mapping(choice.get("delta") or choice.get("message"))
            self.started |= any(message_part.get(key) for key in ("content", "tool_calls", "reasoning_content"))
        delta = _mapping(event.get("delta"))
        self.started |= event.get("type") == "content_block_delta"
        self.ended = delta.get("stop_reason") or event.get("stop_reason") or self.ended
        self._count(_mapping(event.get("usage") or message.get("usage")), _mapping(event.get("timings")))

    def _count(self, usage: Event, timings: Event) -> None:
        if (tokens := usage.get("prompt_tokens")) is not None:
            self._input = int(tokens)
            self._cached = int(_mapping(usage.get("prompt_tokens_details")).get("cached_tokens") or 0)
        elif (tokens := usage.get("input_tokens")) is not None:  # Anthropic's count does not include cached tokens
            read, written = (int(usage.get(f"cache_{how}_input_tokens") or 0) for how in ("read", "creation"))
            self._input, self._cached = int(tokens) + read + written, read
        elif self.ended is None and (tokens := timings.get("prompt_n")) is not None:  # llama.cpp, while it streams
            self._cached = int(timings.get("cache_n") or 0)
            self._input = int(tokens) + self._cached
        for tokens in (usage.get("completion_tokens"), usage.get("output_tokens"), timings.get("predicted_n")):
            if tokens is not None:
                self._output = int(tokens)
                break
        if self._input and self._output is not None:
            self.usage = Usage(self._input, self._output, min(self._cached, self._input))


def _mapping(value: object) -> Event:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(type(value).__name__)
    return cast("Event", value)
