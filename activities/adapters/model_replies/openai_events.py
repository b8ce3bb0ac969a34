"""Reads events and whole replies in OpenAI's protocol, as OpenAI, SGLang, vLLM, llama.cpp and Mistral write it.

| dialect | what it adds |
|---|---|
| OpenAI | `refusal`; the older `function_call` |
| SGLang | `reasoning_content`; `delta: null`; an id at each call's first piece only, or index 0 for every call |
| vLLM | `reasoning_content`, later `reasoning`; usage with every event |
| llama.cpp | `reasoning_content`; `timings` with every event |
| Mistral | content as a list of parts, `thinking` among them; whole calls in one event, without `index` |
"""

from collections.abc import Sequence
from typing import cast

from activities.adapters.model_replies.parts import CallPiece, Parts
from activities.adapters.model_replies.shapes import Fields, json_text, label, mapping, position, sequence, text
from activities.ports import TokenLogprob

REASONING_FIELDS = ("reasoning_content", "reasoning", "thinking")
"""The fields of a message for reasoning. A server that fills two of them writes the same in both."""


def read_openai(event: Fields, parts: Parts) -> None:
    """Add an event's parts. Raises `TypeError` for a shape that is not the protocol's."""
    parts.model = label(event.get("model")) or None
    parts.usage, parts.timings = event.get("usage"), event.get("timings")
    for choice in map(mapping, sequence(event.get("choices"))):
        if position(choice.get("index")) not in (None, 0):
            continue  # one reply was asked for
        parts.continues = True
        reason: object = choice.get("finish_reason")
        # SGLang's own protocol has the reason in an object.
        parts.ended = (reason if isinstance(reason, str) else label(mapping(reason).get("type"))) or None
        parts.usage = parts.usage or choice.get("usage")
        delta = mapping(choice.get("delta"))
        message = delta or mapping(choice.get("message"))
        _read_message(message, parts, whole=not delta)
        if choice.get("logprobs"):
            parts.logprobs += _logprobs(choice["logprobs"])


def _read_message(message: Fields, parts: Parts, *, whole: bool) -> None:
    content: object = message.get("content")
    if isinstance(content, str):
        parts.text += content
    elif content is not None:
        _read_content(content, parts)
    thought: object = next((message[name] for name in REASONING_FIELDS if message.get(name)), None)
    if thought is not None:
        parts.reasoning += _nested_text(thought)
    if message.get("refusal"):
        parts.refusal += text(message["refusal"])
    if message.get("tool_calls"):
        for place, call in enumerate(map(mapping, sequence(message["tool_calls"]))):
            function = mapping(call.get("function"))
            index = position(call.get("index"))
            parts.calls.append(
                CallPiece(
                    # Without an index the calls of one event are still different ones.
                    place if index is None and place else index,
                    label(call.get("id")),
                    label(function.get("name")),
                    json_text(function.get("arguments")),
                    whole=whole,
                )
            )
    elif message.get("function_call"):
        function = mapping(message["function_call"])
        parts.calls.append(
            CallPiece(0, "", label(function.get("name")), json_text(function.get("arguments")), whole=whole)
        )


def _read_content(content: object, parts: Parts) -> None:
    """Read content that is a list of parts, as Mistral writes it beside its thoughts."""
    for part in _items(content):
        if isinstance(part, str):
            parts.text += part
            continue
        fields = mapping(part)
        kind = label(fields.get("type"))
        if kind in ("thinking", "reasoning"):
            parts.reasoning += _nested_text(fields)
        elif kind == "refusal":
            parts.refusal += text(fields.get("refusal"))
        else:  # other kinds, such as Mistral's references, have no text
            parts.text += text(fields.get("text"))


def _nested_text(value: object) -> str:
    """Return the text of reasoning: a text, a part with one, or a list of such."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, list):
        return "".join(map(_nested_text, _items(cast("object", value))))
    fields = mapping(value)
    return _nested_text(next((fields[name] for name in ("text", "thinking", "reasoning") if fields.get(name)), None))


def _items(value: object) -> Sequence[object]:
    return cast("list[object]", value) if isinstance(value, list) else [value]


def _logprobs(value: object) -> list[TokenLogprob]:
    """Return the log probabilities of an event; a token without one is left out."""
    tokens: list[TokenLogprob] = []
    for token in map(mapping, sequence(mapping(value).get("content"))):
        if (logprob := _number(token.get("logprob"))) is None:
            continue
        others = [(label(other.get("token")), _number(other.get("logprob"))) for other in map(mapping, _top(token))]
        top = tuple((name, number) for name, number in others if number is not None)
        tokens.append(TokenLogprob(label(token.get("token")), logprob, top))
    return tokens


def _top(token: Fields) -> list[object]:
    return list(sequence(token.get("top_logprobs")))


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
