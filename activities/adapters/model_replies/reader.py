"""Reads a reply as its bytes arrive, streamed or whole: text, calls, reasoning, refusal, usage, and why it ended.

What it returns is all that is believed about a reply: LiteLLM, which sends the request, reads nothing. Its pieces would
be a second reading of the same events, and it drops events and invents values where a server is not strict.
"""

from collections.abc import Mapping
from typing import NamedTuple

from activities.adapters.model_replies.anthropic_events import EVENTS, AnthropicEvents
from activities.adapters.model_replies.calls import CallCollector
from activities.adapters.model_replies.characters import CharacterJoiner, whole_characters
from activities.adapters.model_replies.counts import UsageCounts
from activities.adapters.model_replies.events import EventDecoder, Json, ServerEvent, objects_of
from activities.adapters.model_replies.openai_events import read_openai
from activities.adapters.model_replies.parts import Parts
from activities.adapters.model_replies.shapes import mapping, sequence
from activities.adapters.model_replies.thinking import ThinkingSplitter, split_thinking
from activities.ports import FinishReason, TokenLogprob, ToolCall, Usage

REASONS: Mapping[str, FinishReason] = {
    **dict.fromkeys(("stop", "end_turn", "stop_sequence", "eos", "eos_token"), FinishReason.STOP),
    **dict.fromkeys(("length", "max_tokens", "model_length", "model_context_window_exceeded"), FinishReason.LENGTH),
    **dict.fromkeys(("tool_calls", "tool_use", "function_call"), FinishReason.TOOL_CALLS),
    **dict.fromkeys(("content_filter", "safety"), FinishReason.CONTENT_FILTER),
    "refusal": FinishReason.REFUSAL,
}
"""The reasons why a reply ended: the port's word for each provider's, in lower case."""


class NotReadable(Exception):
    """The reply has no shape that a model server's reply has. The message says what it is, and quotes nothing."""


class ErrorReply(Exception):
    """The server reports an error in place of the reply, or in the middle of it."""

    def __init__(self, report: object) -> None:
        super().__init__("the reply is an error")
        self.report = report
        """The error as the server wrote it: an object, or a text."""


class Heard(NamedTuple):
    """A piece of the answer's text, empty where something else came, and the usage so far."""

    text: str
    usage: Usage | None


class ReplyReader:
    """The reader of one reply. Its properties hold the reply so far."""

    def __init__(self, *, streams: bool) -> None:
        self._streams = streams
        self._events = EventDecoder()
        self._body: list[bytes] = []
        self._anthropic = AnthropicEvents()
        self._content: list[str] = []
        self._joiner, self._splitter = CharacterJoiner(), ThinkingSplitter()
        self._reasoning: list[str] = []
        self._refusal: list[str] = []
        self._calls = CallCollector()
        self._logprobs: list[TokenLogprob] = []
        self._counts = UsageCounts()
        self._is_over = False
        self.model: str | None = None
        """The model's name in the reply."""
        self.ended: str | None = None
        """Why the reply ended, in the provider's word; None before its end."""
        self.started = False
        """Whether the reply has begun."""

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes, whether or not the connection is closed."""
        return self._is_over

    @property
    def finish_reason(self) -> FinishReason | None:
        """Why the reply ended, in the port's word; None before its end, and for an unknown word of the provider."""
        reason = REASONS.get((self.ended or "").lower())
        if reason is FinishReason.STOP and self._refusal:
            return FinishReason.REFUSAL
        return FinishReason.TOOL_CALLS if reason is FinishReason.STOP and self._calls else reason

    @property
    def content(self) -> str:
        """The text of the answer, read again from all of its pieces: what was heard is compared with it."""
        return split_thinking(self._text)[0]

    @property
    def reasoning(self) -> str:
        """What the model thought: what its server kept apart, and then what stood before the answer."""
        return whole_characters("".join(self._reasoning)) + split_thinking(self._text)[1]

    @property
    def refusal(self) -> str:
        """The words with which the model declined to answer."""
        return whole_characters("".join(self._refusal))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The calls, in their order."""
        return self._calls.calls

    @property
    def logprobs(self) -> tuple[TokenLogprob, ...]:
        """The log probabilities, in their order."""
        return tuple(self._logprobs)

    @property
    def usage(self) -> Usage:
        """The usage, with None for what the server did not report."""
        return self._counts.total

    @property
    def usage_so_far(self) -> Usage | None:
        """The usage that a call which ends now would have, as far as that is known."""
        return self._counts.so_far

    @property
    def _text(self) -> str:
        return whole_characters("".join(self._content))

    def add(self, piece: bytes) -> list[Heard]:
        """Add the next bytes, and return what is heard of them. Raises `NotReadable` and `ErrorReply`."""
        if not self._streams:
            self._body.append(piece)
            return []
        return [heard for event in self._events.add(piece) for heard in self._read(event)]

    def end(self) -> list[Heard]:
        """Return what is heard at the end of the bytes. Raises `NotReadable` and `ErrorReply`.

        A last event that was cut is left out: it is the reply that was cut, and `ended` says whether.
        """
        if self._streams:
            heard: list[Heard] = []
            for event in self._events.end():
                try:
                    objects_of(event.data)
                except ValueError:
                    continue
                heard += self._read(event)
        else:
            heard = self._read(ServerEvent("", b"".join(self._body)))
        text, _ = self._splitter.add(self._joiner.rest())
        text += self._splitter.end()[0]
        return [*heard, Heard(text, self.usage_so_far)] if text else heard

    def _read(self, event: ServerEvent) -> list[Heard]:
        if self._is_over:
            return []
        try:
            objects = objects_of(event.data)
        except ValueError:
            if event.kind == "error":
                raise ErrorReply(event.data.decode(errors="replace")) from None
            raise NotReadable("the reply is no JSON: is the endpoint the address of a model server?") from None
        if objects is None:
            self._is_over = True
            return []
        heard: list[Heard] = []
        for item in objects:
            if event.kind == "error" or _is_error(item):
                raise ErrorReply(item)
            parts = Parts()
            try:
                if item.get("type") in EVENTS:
                    self._anthropic.read(item, parts)
                else:
                    read_openai(item, parts)
            except (TypeError, ValueError, RecursionError):
                raise NotReadable("the reply has a shape that its protocol does not know") from None
            heard += self._take(parts)
        return heard

    def _take(self, parts: Parts) -> list[Heard]:
        self.model = parts.model or self.model
        self._counts.add(parts.usage, parts.timings, ended=self.ended is not None)
        self.ended = parts.ended or self.ended
        self._is_over = self._is_over or parts.last
        self.started = self.started or bool(parts.text or parts.reasoning or parts.refusal or parts.calls)
        if not parts.continues:
            return []
        if parts.reasoning:
            self._reasoning.append(parts.reasoning)
        if parts.refusal:
            self._refusal.append(parts.refusal)
        # Text after a call is not part of the answer; small models write it. SGLang drops it from a whole reply, but
        # not from a stream.
        text = "" if self._calls else parts.text
        if text:
            self._content.append(text)
            text, _ = self._splitter.add(self._joiner.add(text))
        for call in parts.calls:
            self._calls.add(call)
        self._logprobs += parts.logprobs
        return [Heard(text, self._counts.so_far)]


def _is_error(event: Json) -> bool:
    """Return whether an event is an error, in any of the ways in which servers wrap one."""
    if event.get("error") or event.get("object") == "error" or event.get("type") == "error":
        return True
    if event.get("type") in EVENTS:
        return False
    if event.get("choices"):
        try:
            return any(mapping(choice).get("error") for choice in sequence(event["choices"]))
        except TypeError:
            return False
    return any(isinstance(event.get(name), str) for name in ("message", "detail")) or bool(event.get("errors"))
