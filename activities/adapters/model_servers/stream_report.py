"""What a model server reports of its reply, from its own events: the model, the tokens, and why it ended."""

from collections.abc import Mapping
from typing import Any, cast

from activities.ports import Usage

FINISHED: Mapping[str, str] = {
    **dict.fromkeys(("stop", "end_turn", "stop_sequence", "eos", "eos_token"), "stop"),
    **dict.fromkeys(("length", "max_tokens", "model_length", "model_context_window_exceeded"), "length"),
    **dict.fromkeys(("tool_calls", "tool_use", "function_call"), "tool_calls"),
    **dict.fromkeys(("content_filter", "refusal"), "content_filter"),
}
"""Why a reply ended: the port's word for each provider's."""

Event = Mapping[str, Any]


class ModelReport:
    """Hears the events of one reply, or the whole reply as one; of OpenAI's protocol and of Anthropic's."""

    def __init__(self) -> None:
        self.model: str | None = None
        """The model as the server names itself."""
        self.ended: str | None = None
        """Why the reply ended, in the provider's word; None while it has not."""
        self.usage: Usage | None = None
        """What the call used so far, where the server reports that on the way; at the end what it used."""
        self.speaking = False
        """Whether the reply has begun."""
        self._input: int | None = None
        self._output: int | None = None
        self._cached = 0

    @property
    def finish_reason(self) -> str | None:
        """The port's word for why the reply ended; None while it has not, and for a word that nobody knows."""
        return FINISHED.get(self.ended or "")

    def hear(self, event: Event) -> None:
        """Hear an event. Raises one of Python's own errors where it has not the protocol's shape."""
        message = _mapping(event.get("message"))
        self.model = event.get("model") or message.get("model") or self.model
        choices: list[Any] = event.get("choices") or []
        for choice in map(_mapping, choices):
            self.ended = choice.get("finish_reason") or self.ended
            said = _mapping(choice.get("delta") or choice.get("message"))
            self.speaking |= any(said.get(key) for key in ("content", "tool_calls", "reasoning_content"))
        delta = _mapping(event.get("delta"))
        self.speaking |= event.get("type") == "content_block_delta"
        self.ended = delta.get("stop_reason") or event.get("stop_reason") or self.ended
        self._count(_mapping(event.get("usage") or message.get("usage")), _mapping(event.get("timings")))

    def _count(self, usage: Event, timings: Event) -> None:
        if (tokens := usage.get("prompt_tokens")) is not None:
            self._input = int(tokens)
            self._cached = int(_mapping(usage.get("prompt_tokens_details")).get("cached_tokens") or 0)
        elif (tokens := usage.get("input_tokens")) is not None:  # Anthropic counts cached tokens beside the others
            read, written = (int(usage.get(f"cache_{how}_input_tokens") or 0) for how in ("read", "creation"))
            self._input, self._cached = int(tokens) + read + written, read
        elif self.ended is None and (tokens := timings.get("prompt_n")) is not None:  # llama.cpp, on the way
            self._cached = int(timings.get("cache_n") or 0)
            self._input = int(tokens) + self._cached
        for tokens in (usage.get("completion_tokens"), usage.get("output_tokens"), timings.get("predicted_n")):
            if tokens is not None:
                self._output = int(tokens)
                break
        if self._input and self._output is not None:
            self.usage = Usage(self._input, self._output, min(self._cached, self._input))


def _mapping(found: object) -> Event:
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise TypeError(type(found).__name__)
    return cast("Event", found)
