"""Builds the stub model's replies and streams in the OpenAI protocol, from a request and an item of a script."""

import json
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

INPUT_TOKENS, OUTPUT_TOKENS, CACHED_TOKENS = 120, 12, 100
"""The default token counts of a call: `input_tokens`, `output_tokens` and `cached_tokens`."""


def content_for(request: Json, item: Json) -> str:
    """Return the item's content, or an answer with the first sentence of the prompt."""
    if "stream" in item:
        return "".join(item["stream"])
    return str(item["content"]) if "content" in item else _choices(request)


def _choices(request: Json) -> str:
    """Return the first sentence as the answer to every part in the schema; plain words without a schema."""
    schema = request.get("response_format", {}).get("json_schema", {}).get("schema", {})
    if "required" not in schema:
        return "The stub has answered."
    user_texts = [str(message["content"]) for message in request["messages"] if message["role"] == "user"]
    # In a request for a repair, the sentences are in an earlier message.
    prompt = next((text for text in reversed(user_texts) if text.startswith("Sentences:")), user_texts[-1])
    first = next((line.removeprefix("[1] ") for line in prompt.splitlines() if line.startswith("[1] ")), "")
    return json.dumps({key: {"source": 1 if first else 0, "answer": first} for key in schema["required"]})


def completion(request: Json, item: Json) -> Json:
    """Return a whole reply."""
    content = content_for(request, item)
    message: Json = {"role": "assistant", "content": content}
    if "tool_calls" in item:
        message |= {"content": item.get("content"), "tool_calls": _tool_calls(item)}
    reply: Json = {
        "id": "stub",
        "object": "chat.completion",
        "created": 0,
        "model": item.get("model", request.get("model")),
        "choices": [
            {
                "index": 0,
                "message": message,
                "finish_reason": _finish(item),
                "logprobs": _logprobs(request, content.split(" ")),
            }
        ],
    }
    if item.get("usage", True):
        reply["usage"] = _usage(item)
    return reply


def pieces(request: Json, item: Json) -> list[str]:
    """Return the pieces of a streamed reply."""
    if "stream" in item:
        return list(item["stream"])
    content = content_for(request, item)
    third = len(content) // 3 + 1
    return [part for part in (content[:third], content[third : 2 * third], content[2 * third :]) if part]


def events(request: Json, item: Json) -> Iterator[Json]:
    """Yield the events of a streamed reply, the role first and the usage last."""
    yield _event(request, item, {"role": "assistant", "content": None})
    if "tool_calls" in item:
        if "content" in item:  # words beside the calls
            yield _event(request, item, {"content": item["content"]})
        for index, call in enumerate(_tool_calls(item)):
            written = call["function"]["arguments"]
            half = len(written) // 2
            first = {**call, "index": index, "function": {**call["function"], "arguments": written[:half]}}
            rest = {"index": index, "function": {"arguments": written[half:]}}
            yield _event(request, item, {"tool_calls": [first]})
            yield _event(request, item, {"tool_calls": [rest]})
    else:
        for number, piece in enumerate(pieces(request, item), 1):
            event = _event(request, item, {"content": piece})
            event["choices"][0]["logprobs"] = _logprobs(request, [piece])
            if request.get("stream_options", {}).get("continuous_usage_stats"):
                event["usage"] = _usage(item, number)
            yield event
    if item.get("finish_reason", "stop") is not None:
        yield _event(request, item, {}, finish_reason=_finish(item))
    if item.get("usage", True):
        yield {**_event(request, item, {}), "choices": [], "usage": _usage(item)}


def _finish(item: Json) -> str | None:
    return item.get("finish_reason", "tool_calls" if "tool_calls" in item else "stop")


def _event(request: Json, item: Json, delta: Json, finish_reason: str | None = None) -> Json:
    return {
        "id": "stub",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": item.get("model", request.get("model")),
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
    }


def _tool_calls(item: Json) -> list[Json]:
    return [
        {
            "id": f"call-{number}",
            "type": "function",
            "function": {"name": call["name"], "arguments": _written(call["arguments"])},
        }
        for number, call in enumerate(item["tool_calls"], 1)
    ]


def _written(arguments: Any) -> str:
    """Return a call's arguments as the model writes them: text stays as it is, so that it may be no JSON."""
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def _logprobs(request: Json, tokens: list[str]) -> Json | None:
    if not request.get("logprobs"):
        return None
    top = [{"token": f"t{rank}", "logprob": -0.5 - rank} for rank in range(int(request.get("top_logprobs", 0)))]
    return {"content": [{"token": token, "logprob": -0.5, "bytes": None, "top_logprobs": top} for token in tokens]}


def _usage(item: Json, so_far: int | None = None) -> Json:
    """Return the usage of the whole call, or after `so_far` output tokens, which never exceeds the whole."""
    read, whole = int(item.get("input_tokens", INPUT_TOKENS)), int(item.get("output_tokens", OUTPUT_TOKENS))
    output = whole if so_far is None else min(so_far, whole)
    return {
        "prompt_tokens": read,
        "completion_tokens": output,
        "total_tokens": read + output,
        "prompt_tokens_details": {"cached_tokens": min(read, int(item.get("cached_tokens", CACHED_TOKENS)))},
    }
