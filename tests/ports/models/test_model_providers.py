"""A stream is read in the same way from every provider: text, then a call, with empty lines between them."""

import json
from pathlib import Path

import pytest

from activities.ports import Message, Prompt, Usage
from tests.ports.models.model_cases import CALCULATOR, FEW, LOOK_UP, ME, Listener, model_for
from tests.support.servers.stub_model import StubModel


def _chunk(choices: str, more: str = "") -> str:
    return f'data: {{"id": "1", "model": "stub", "choices": [{choices}]{more}}}\n: a comment'


def _choice(delta: str, reason: str = "null") -> str:
    return _chunk(f'{{"index": 0, "delta": {delta}, "finish_reason": {reason}}}')


def _event(kind: str, more: str) -> str:
    return f'data: {{"type": "{kind}", {more}}}\nevent: {kind}'


def _started(index: int, block: str) -> str:
    return _event("content_block_start", f'"index": {index}, "content_block": {block}')


def _delta(index: int, delta: str) -> str:
    return _event("content_block_delta", f'"index": {index}, "delta": {delta}')


OPENAI = [
    _choice('{"role": "assistant", "content": null}'),
    _choice('{"content": "I work "}'),
    _choice('{"content": "it out."}'),
    _choice(
        '{"tool_calls": [{"index": 0, "id": "call-1", "type": "function",'
        ' "function": {"name": "calculator", "arguments": "{\\"expression\\": "}}]}'
    ),
    _choice('{"tool_calls": [{"index": 0, "function": {"arguments": "\\"1+1\\"}"}}]}'),
    _choice("{}", '"tool_calls"'),
    _chunk(
        "", ', "usage": {"prompt_tokens": 15, "completion_tokens": 30, "prompt_tokens_details": {"cached_tokens": 5}}'
    ),
]
ANTHROPIC = [
    _event(
        "message_start",
        '"message": {"id": "1", "type": "message", "role": "assistant", "model": "stub", "content": [],'
        ' "usage": {"input_tokens": 10, "cache_read_input_tokens": 5, "output_tokens": 1}}',
    ),
    _started(0, '{"type": "text", "text": ""}'),
    _event("ping", '"of": "nothing"'),
    _delta(0, '{"type": "text_delta", "text": "I work "}'),
    _delta(0, '{"type": "text_delta", "text": "it out."}'),
    _event("content_block_stop", '"index": 0'),
    _started(1, '{"type": "tool_use", "id": "call-1", "name": "calculator", "input": {}}'),
    _delta(1, '{"type": "input_json_delta", "partial_json": "{\\"expression\\": "}'),
    _delta(1, '{"type": "input_json_delta", "partial_json": "\\"1+1\\"}"}'),
    _event("content_block_stop", '"index": 1'),
    _event("message_delta", '"delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 30}'),
    _event("message_stop", '"of": "nothing"'),
]


@pytest.mark.parametrize(("provider", "lines"), [("hosted_vllm", OPENAI), ("openai", OPENAI), ("anthropic", ANTHROPIC)])
async def test_words_and_calls_are_put_together(
    provider: str, lines: list[str], tmp_path: Path, stub: StubModel
) -> None:
    model = model_for(tmp_path, stub.url, provider=f'"{provider}"', capabilities='{ tools = "native" }')
    stub.script = [{"sse": lines}]
    listener = Listener()
    completion = await model.complete("fast", Prompt([Message("user", "1+1?")], tools=[CALCULATOR]), FEW, ME, listener)
    assert completion.content == listener.text == "I work it out."
    [call] = completion.tool_calls
    assert (call.id, call.name, json.loads(call.arguments)) == ("call-1", "calculator", {"expression": "1+1"})
    assert (completion.finish_reason, completion.usage) == ("tool_calls", Usage(15, 30, 5))


@pytest.mark.parametrize(
    ("provider", "lines", "choice"),
    [
        ("openai", OPENAI, {"type": "function", "function": {"name": "calculator"}}),
        ("anthropic", ANTHROPIC, {"type": "tool", "name": "calculator"}),
    ],
)
async def test_a_provider_that_holds_a_name_is_told_it_and_gets_every_tool(
    provider: str, lines: list[str], choice: dict[str, object], tmp_path: Path, stub: StubModel
) -> None:
    model = model_for(tmp_path, stub.url, provider=f'"{provider}"', capabilities='{ tools = "native" }')
    stub.script = [{"sse": lines}]
    ask = Prompt([Message("user", "1+1?")], tools=[LOOK_UP, CALCULATOR], tool_choice="calculator")
    await model.complete("fast", ask, FEW, ME, Listener())
    (request,) = stub.requests
    assert request["tool_choice"] == choice
    names = [tool["function"]["name"] if provider == "openai" else tool["name"] for tool in request["tools"]]
    assert names == ["look_up", "calculator"], "the beginning of a conversation is the same in every turn"


async def test_words_may_come_again_and_again(tmp_path: Path, stub: StubModel) -> None:
    stub.script = [{"stream": ["-----"] * 150}]
    listener = Listener()
    completion = await model_for(tmp_path, stub.url).complete(
        "fast", Prompt([Message("user", "Draw a line.")]), FEW, ME, listener
    )
    assert completion.content == listener.text == "-----" * 150
