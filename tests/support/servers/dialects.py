"""Writes one reply in each dialect of the model servers, cut as they cut it: the truth is known, its form is drawn."""

import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

Json = dict[str, Any]

MODEL = "stub"


@dataclass(frozen=True)
class Truth:
    """A reply, as its model wrote it."""

    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    """The name and the arguments of each call."""
    reasoning: str = ""
    refusal: str = ""
    input_tokens: int = 120
    output_tokens: int = 12
    cut: bool = False
    """Whether it ended at the limit of its tokens."""


@dataclass(frozen=True)
class Dialect:
    """A way to write a reply: as the events of a stream, and whole."""

    provider: str
    """The provider in a catalogue."""
    events: Callable[[Truth, random.Random], Iterator[Json]]
    whole: Callable[[Truth, random.Random], Json]
    has_reasoning: bool = True
    has_refusal: bool = False


def cut(text: str, draw: random.Random, most: int = 6) -> list[str]:
    """Cut a text anywhere, also between the halves of a character."""
    raw = text.encode("utf-16-le", "surrogatepass")
    units = [chr(int.from_bytes(raw[place : place + 2], "little")) for place in range(0, len(raw), 2)]
    places = sorted(draw.randint(0, len(units)) for _ in range(draw.randint(0, most)))
    ends = [*places, len(units)]
    return ["".join(units[start:end]) for start, end in zip([0, *places], ends, strict=True)]


def _openai_usage(truth: Truth, output: int | None = None) -> Json:
    written = truth.output_tokens if output is None else output
    return {"prompt_tokens": truth.input_tokens, "completion_tokens": written, "prompt_tokens_details": None}


def _finish(truth: Truth) -> str:
    return "length" if truth.cut else "tool_calls" if truth.calls else "stop"


def _chunk(delta: Json | None, reason: str | None = None, **more: Any) -> Json:
    choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
    return {"id": "1", "object": "chat.completion.chunk", "model": MODEL, "choices": [choice], **more}


def _call(name: str, arguments: str, **more: Any) -> Json:
    return {"type": "function", "function": {"name": name, "arguments": arguments}, **more}


def _texts(field: str, text: str, draw: random.Random) -> Iterator[Json]:
    return (_chunk({field: piece}) for piece in cut(text, draw))


def _cut_calls(truth: Truth, draw: random.Random, index: Callable[[int], Json]) -> Iterator[Json]:
    """Yield each call with its id first, and its arguments in pieces; the name, too, may come in pieces."""
    for place, (name, arguments) in enumerate(truth.calls):
        half = draw.choice([len(name), draw.randint(1, len(name))])
        yield _chunk({"tool_calls": [_call(name[:half], "", id=f"c{place}", **index(place))]})
        if name[half:]:
            yield _chunk({"tool_calls": [{"function": {"name": name[half:]}, **index(place)}]})
        for piece in cut(arguments, draw):
            yield _chunk({"tool_calls": [{"function": {"arguments": piece}, **index(place)}]})


def _openai(truth: Truth, draw: random.Random) -> Iterator[Json]:
    yield _chunk({"role": "assistant", "content": None, "refusal": None})
    yield from _texts("content", truth.text, draw)
    yield from _texts("refusal", truth.refusal, draw) if truth.refusal else ()
    yield from _cut_calls(truth, draw, lambda place: {"index": place})
    yield _chunk({}, _finish(truth))
    yield {"id": "1", "model": MODEL, "choices": [], "usage": _openai_usage(truth)}


def _sglang(truth: Truth, draw: random.Random) -> Iterator[Json]:
    """Usage with every event, and the same index, or none, for every call: only its id tells where one begins."""
    numbered = draw.choice([{"index": 0}, {}])
    yield _chunk({"role": "assistant", "content": "", "reasoning_content": None, "tool_calls": None})
    yield from _texts("reasoning_content", truth.reasoning, draw) if truth.reasoning else ()
    for number, event in enumerate(_texts("content", truth.text, draw)):
        yield {**event, "usage": _openai_usage(truth, min(number, truth.output_tokens))}
    yield from _cut_calls(truth, draw, lambda _: numbered)
    yield _chunk(None, _finish(truth), matched_stop=None)
    yield {"model": MODEL, "choices": draw.choice([[], None]), "usage": _openai_usage(truth)}


def _vllm(truth: Truth, draw: random.Random) -> Iterator[Json]:
    field = draw.choice(["reasoning", "reasoning_content"])
    yield _chunk({"role": "assistant", "content": ""}, usage=_openai_usage(truth, 0))
    yield from _texts(field, truth.reasoning, draw) if truth.reasoning else ()
    for event in _texts("content", truth.text, draw):
        event["choices"][0]["delta"] |= {"tool_calls": [], "refusal": None}
        yield event
    yield from _cut_calls(truth, draw, lambda place: {"index": place})
    yield _chunk({"content": ""}, _finish(truth), usage=_openai_usage(truth))


def _thinking_aloud(truth: Truth, draw: random.Random) -> Iterator[Json]:
    """A server that leaves the thoughts in the text: vLLM or llama.cpp without a reasoning parser."""
    tagged = f"<think>{truth.reasoning}</think>\n\n" if truth.reasoning else ""
    yield from _vllm(replace(truth, text=tagged + truth.text, reasoning=""), draw)


def _llama_cpp(truth: Truth, draw: random.Random) -> Iterator[Json]:
    yield _chunk({"role": "assistant", "content": None})
    yield from _texts("reasoning_content", truth.reasoning, draw) if truth.reasoning else ()
    for number, event in enumerate(_texts("content", truth.text, draw)):
        yield {**event, "timings": {"prompt_n": truth.input_tokens, "cache_n": 0, "predicted_n": number}}
    yield from _cut_calls(truth, draw, lambda place: {"index": place})
    yield _chunk({}, _finish(truth))
    timings = {"prompt_n": 1, "predicted_n": truth.output_tokens}
    yield {"model": MODEL, "choices": [], "usage": _openai_usage(truth), "timings": timings}


def _mistral(truth: Truth, draw: random.Random) -> Iterator[Json]:
    """Thoughts as parts of the content; whole calls in one event, without an index; usage with the last event."""
    for piece in cut(truth.reasoning, draw) if truth.reasoning else ():
        thought = {"type": "thinking", "thinking": [{"type": "text", "text": piece}]}
        yield _chunk({"role": "assistant", "content": [thought]})
    for piece in cut(truth.text, draw):
        yield _chunk({"content": draw.choice([piece, [{"type": "text", "text": piece}]])})
    calls = [_call(name, arguments, id=f"m{place}") for place, (name, arguments) in enumerate(truth.calls)]
    delta: Json = {"content": "", "tool_calls": calls} if calls else {"content": ""}
    yield _chunk(delta, _finish(truth), usage=_openai_usage(truth))


def _anthropic(truth: Truth, draw: random.Random) -> Iterator[Json]:
    usage = {"input_tokens": truth.input_tokens, "output_tokens": 1}
    yield {"type": "message_start", "message": {"type": "message", "model": MODEL, "content": [], "usage": usage}}
    blocks: list[tuple[Json, str, str, str]] = []
    if truth.reasoning:
        blocks.append(({"type": "thinking", "thinking": ""}, "thinking_delta", "thinking", truth.reasoning))
    if truth.text:
        blocks.append(({"type": "text", "text": ""}, "text_delta", "text", truth.text))
    for place, (name, arguments) in enumerate(truth.calls):
        block: Json = {"type": "tool_use", "id": f"toolu_{place}", "name": name, "input": {}}
        blocks.append((block, "input_json_delta", "partial_json", arguments))
    for index, (block, kind, field, text) in enumerate(blocks):
        yield {"type": "content_block_start", "index": index, "content_block": block}
        for piece in cut(text, draw):
            yield {"type": "content_block_delta", "index": index, "delta": {"type": kind, field: piece}}
        yield draw.choice([{"type": "ping"}, {"type": "content_block_stop", "index": index}])
    reason = "max_tokens" if truth.cut else "tool_use" if truth.calls else "end_turn"
    usage = {"output_tokens": truth.output_tokens}
    yield {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage}
    yield {"type": "message_stop"}


def _whole(truth: Truth, reasoning_field: str, draw: random.Random) -> Json:
    """Return a whole reply. Some servers write arguments as an object where the protocol has a text."""
    calls = [
        _call(name, draw.choice([str, _object_or_text])(arguments), id=f"c{place}")
        for place, (name, arguments) in enumerate(truth.calls)
    ]
    message: Json = {"role": "assistant", "content": truth.text or None, "tool_calls": calls or None}
    if truth.refusal:
        message["refusal"] = truth.refusal
    if truth.reasoning:
        message[reasoning_field] = truth.reasoning
    choice = {"index": 0, "message": message, "finish_reason": _finish(truth)}
    return {"object": "chat.completion", "model": MODEL, "choices": [choice], "usage": _openai_usage(truth)}


def _object_or_text(arguments: str) -> Any:
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


def _whole_mistral(truth: Truth, draw: random.Random) -> Json:
    reply = _whole(truth, "unused", draw)
    parts: list[Json] = [{"type": "text", "text": truth.text}] if truth.text else []
    if truth.reasoning:
        parts.insert(0, {"type": "thinking", "thinking": [{"type": "text", "text": truth.reasoning}]})
    message = reply["choices"][0]["message"]
    message.pop("unused", None)
    message["content"] = parts
    return reply


def _whole_anthropic(truth: Truth, _: random.Random) -> Json:
    blocks: list[Json] = [{"type": "thinking", "thinking": truth.reasoning}] if truth.reasoning else []
    blocks += [{"type": "text", "text": truth.text}] if truth.text else []
    for place, (name, arguments) in enumerate(truth.calls):
        blocks.append({"type": "tool_use", "id": f"t{place}", "name": name, "input": _object_or_text(arguments)})
    usage = {"input_tokens": truth.input_tokens, "output_tokens": truth.output_tokens}
    reason = "max_tokens" if truth.cut else "tool_use" if truth.calls else "end_turn"
    return {"type": "message", "model": MODEL, "content": blocks, "stop_reason": reason, "usage": usage}


def _whole_aloud(truth: Truth, draw: random.Random) -> Json:
    tagged = f"<think>{truth.reasoning}</think>\n\n" if truth.reasoning else ""
    return _whole(replace(truth, text=tagged + truth.text, reasoning=""), "reasoning", draw)


DIALECTS: Mapping[str, Dialect] = {
    "OpenAI": Dialect(
        "openai", _openai, lambda truth, draw: _whole(truth, "unused", draw), has_reasoning=False, has_refusal=True
    ),
    "SGLang": Dialect("sglang", _sglang, lambda truth, draw: _whole(truth, "reasoning_content", draw)),
    "vLLM": Dialect("hosted_vllm", _vllm, lambda truth, draw: _whole(truth, "reasoning", draw)),
    "thoughts in the text": Dialect("hosted_vllm", _thinking_aloud, _whole_aloud),
    "llama.cpp": Dialect("hosted_vllm", _llama_cpp, lambda truth, draw: _whole(truth, "reasoning_content", draw)),
    "Mistral": Dialect("openai", _mistral, _whole_mistral),
    "Anthropic": Dialect("anthropic", _anthropic, _whole_anthropic),
}
"""The dialects by name."""


def stream_bytes(events: Iterator[Json], draw: random.Random) -> list[bytes]:
    """Write events as a stream with any line ends, comments and cuts of the bytes that the standard allows."""
    end = draw.choice([b"\n", b"\n", b"\r\n", b"\r"])
    space = draw.choice([b" ", b""])
    stream = draw.choice([b"", b"\xef\xbb\xbf"])
    for event in events:
        if draw.random() < 0.1:
            stream += b": a comment" + end + draw.choice([b"", end])
        if "type" in event:
            stream += b"event: " + event["type"].encode() + end
        stream += b"".join(b"data:" + space + line + end for line in _json_lines(event, draw)) + end
    if not draw.randint(0, 3):  # many servers leave out the last blank line
        stream = stream.removesuffix(end)
    stream += draw.choice([b"", b"data: [DONE]" + end, b"data: [DONE]" + end + end])
    places = sorted(draw.randint(0, len(stream)) for _ in range(draw.randint(0, 20)))
    return [
        stream[start:stop] for start, stop in zip([0, *places], [*places, len(stream)], strict=True) if start < stop
    ]


def _json_lines(event: Json, draw: random.Random) -> list[bytes]:
    """Return an event's JSON on one line, or on several, with its letters as they are where that is possible."""
    spread = None if draw.random() < 0.8 else 1
    try:
        text = json.dumps(event, ensure_ascii=draw.choice([True, False]), indent=spread).encode()
    except UnicodeEncodeError:
        text = json.dumps(event, indent=spread).encode()
    return text.split(b"\n")


NAMES = ("calculator", "look_up", "create_ticket", "dodo", "a")
LETTERS = "ab {}[]\"'\\/:,.\n\t<>é中🙂👩‍👩‍👧\u2028\u0085\u0000𝄞\ufeff0"
SPECIAL = ("<think>", "</think>", "<thi", "data: ", "[DONE]", "\n\n", "\r\n", "```json\n", "null", "\\ud83d", "{}")


def drawn_text(draw: random.Random, most: int = 12) -> str:
    """Draw a text of letters that are easily lost, and of what means something elsewhere."""
    kinds = [lambda: draw.choice(LETTERS), lambda: draw.choice(SPECIAL), lambda: "word "]
    return "".join(draw.choice(kinds)() for _ in range(draw.randint(0, most)))


def drawn_truth(draw: random.Random, dialect: Dialect) -> Truth:
    """Draw a reply. Its text does not begin as thoughts do: such a text is thoughts, in every dialect."""
    text = drawn_text(draw)
    if text.lstrip().startswith("<think") or text.startswith("\n"):
        text = f"So: {text}"
    calls = tuple(
        (draw.choice(NAMES), json.dumps({"expression": drawn_text(draw, 4)}, ensure_ascii=draw.choice([True, False])))
        for _ in range(draw.choice([0, 0, 0, 1, 2, 3]))
    )
    # A thought ends at its closing tag, so it holds none.
    reasoning = drawn_text(draw).replace("</think>", "") if draw.randint(0, 1) and dialect.has_reasoning else ""
    refusal = "I cannot help with that 🙂." if dialect.has_refusal and not draw.randint(0, 5) else ""
    if refusal:
        text, calls = "", ()
    tokens = (draw.choice([0, 1, 120, 4000]), draw.choice([0, 1, 12, 900]))
    return Truth(text, calls, reasoning, refusal, *tokens, cut=not draw.randint(0, 6) and not refusal)
