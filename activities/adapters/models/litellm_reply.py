"""Collects the text, the tool calls and the log probabilities of a reply from LiteLLM, whole or in pieces."""

from typing import Any

from activities.ports import TokenLogprob, ToolCall


class ReplyParts:
    """The parts of one reply. LiteLLM's values have no types; here they get them."""

    def __init__(self) -> None:
        self._content: list[str] = []
        self._calls: dict[int, list[str]] = {}
        self._logprobs: list[TokenLogprob] = []

    @property
    def content(self) -> str:
        """The text so far."""
        return "".join(self._content)

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The calls so far, in their order."""
        return tuple(ToolCall(*self._calls[position]) for position in sorted(self._calls))

    @property
    def logprobs(self) -> tuple[TokenLogprob, ...]:
        """The log probabilities so far."""
        return tuple(self._logprobs)

    def add_whole(self, reply: Any) -> None:
        """Add a reply that was not streamed."""
        choice = reply.choices[0]
        self._take(choice, choice.message)

    def add(self, choice: Any) -> str:
        """Add the choice of one streamed piece, and return its text."""
        return self._take(choice, choice.delta)

    def _take(self, choice: Any, message: Any) -> str:
        # Text after a call is not part of the answer; small models write it. SGLang drops it from a whole reply, but
        # not from a stream.
        text = "" if self._calls else str(getattr(message, "content", None) or "")
        self._content.append(text)
        for position, call in enumerate(getattr(message, "tool_calls", None) or []):
            index = getattr(call, "index", None)
            # The first piece of a call has its id and name; the later ones have the rest of its arguments.
            call_parts = self._calls.setdefault(position if index is None else int(index), ["", "", ""])
            for field, part in enumerate((call.id, call.function.name, call.function.arguments)):
                call_parts[field] += str(part or "") if field == 2 or not call_parts[field] else ""  # noqa: PLR2004 - arguments
        logprobs = getattr(choice, "logprobs", None)
        tokens: list[Any] = _get(logprobs, "content") or []
        for token in tokens:
            others: list[Any] = _get(token, "top_logprobs") or []
            top = tuple((str(_get(other, "token")), float(_get(other, "logprob"))) for other in others)
            self._logprobs.append(TokenLogprob(str(_get(token, "token")), float(_get(token, "logprob")), top))
        return text


def choice_of(piece: Any) -> Any:
    """Return the choice of a piece; None where it only reports usage, and for a line of the stream that is no event."""
    choices: list[Any] = getattr(piece, "choices", None) or []  # LiteLLM makes a dict of such a line
    return choices[0] if choices else None


def _get(value: Any, name: str) -> Any:
    """Return a field of a value that is a mapping in pieces and an object in whole replies."""
    return value.get(name) if isinstance(value, dict) else getattr(value, name, None)  # pyright: ignore[reportUnknownVariableType] - LiteLLM
