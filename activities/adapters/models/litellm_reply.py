"""What LiteLLM makes of a reply, whole or in pieces: the text, the calls of tools and the log probabilities."""

from typing import Any

from activities.ports import TokenLogprob, ToolCall


class Gathered:
    """Gathers one reply. Its values come from libraries without types, and are pinned down here."""

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
        return tuple(ToolCall(*self._calls[place]) for place in sorted(self._calls))

    @property
    def logprobs(self) -> tuple[TokenLogprob, ...]:
        """The log probabilities so far."""
        return tuple(self._logprobs)

    def whole(self, reply: Any) -> None:
        """Take a reply that came at once."""
        choice = reply.choices[0]
        self._take(choice, choice.message)

    def hear(self, choice: Any) -> str:
        """Take what a piece says, and return its text."""
        return self._take(choice, choice.delta)

    def _take(self, choice: Any, said: Any) -> str:
        # What a small model writes after its call is no answer: SGLang leaves it out of a whole reply, not of a stream.
        text = "" if self._calls else str(getattr(said, "content", None) or "")
        self._content.append(text)
        for place, call in enumerate(getattr(said, "tool_calls", None) or []):
            index = getattr(call, "index", None)
            # The first piece of a call names it; the later ones hold the rest of its arguments.
            known = self._calls.setdefault(place if index is None else int(index), ["", "", ""])
            for field, part in enumerate((call.id, call.function.name, call.function.arguments)):
                known[field] += str(part or "") if field == 2 or not known[field] else ""  # noqa: PLR2004 - arguments
        logprobs = getattr(choice, "logprobs", None)
        tokens: list[Any] = _get(logprobs, "content") or []
        for token in tokens:
            others: list[Any] = _get(token, "top_logprobs") or []
            top = tuple((str(_get(other, "token")), float(_get(other, "logprob"))) for other in others)
            self._logprobs.append(TokenLogprob(str(_get(token, "token")), float(_get(token, "logprob")), top))
        return text


def choice_of(piece: Any) -> Any:
    """What a piece says: None where it only reports usage, and for a line of the stream that is no event."""
    choices: list[Any] = getattr(piece, "choices", None) or []  # LiteLLM makes a dict of such a line
    return choices[0] if choices else None


def _get(found: Any, name: str) -> Any:
    """A field of what is a mapping in pieces and an object in whole replies."""
    return found.get(name) if isinstance(found, dict) else getattr(found, name, None)  # pyright: ignore[reportUnknownVariableType] - LiteLLM
