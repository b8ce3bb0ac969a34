"""Whatever a model writes, the next request is a conversation that model servers take: replies of any shape."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.model_servers.catalogue import Capabilities, DeploymentEntry
from activities.adapters.models.litellm_request import arguments
from activities.bodies.transcripts import TurnText
from activities.effects import thinking
from activities.ports import Completion, Prompt, Sampling, ToolCall, Usage
from activities.prompts.agent import prompt_of
from activities.text.tool_arguments import read
from agents.fence import fenced
from deploy.testing.stub.protocol import objection
from perdure.contracts.agents.agent import AgentSpec
from perdure.contracts.agents.steps import Thought
from perdure.contracts.agents.transcript import Role
from perdure.contracts.chains.spec import Prices
from perdure.contracts.contract import BadInput
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.tools import ToolEffect, ToolSpec

SPEC = AgentSpec(
    name="tester",
    digest="0" * 64,
    tier="fast",
    instructions=Text.of("[]").reference(),
    tools=tuple(
        ToolSpec(
            name=name,
            digest="0" * 64,
            description="Do it.",
            parameters={},
            effect=ToolEffect.READ_ONLY,
            timeout=timedelta(seconds=1),
        )
        for name in ("calculator", "create_ticket")
    ),
    max_output_tokens=100,
)
SERVER = DeploymentEntry(
    model="m",
    provider="hosted_vllm",
    endpoint="http://127.0.0.1:1/v1",
    context_window=8192,
    prices=Prices(input=1, output=1),
    concurrency=1,
    capabilities=Capabilities(tools="native"),
)

any_text = st.text(st.characters(), max_size=12)
names = st.sampled_from(["calculator", "functions.calculator", "create_ticket", "", "rm -rf", "x" * 90]) | any_text
written = any_text | st.sampled_from(
    [
        *('{"expression": "6*7"}', '{"expression": "6*7",}', "", "null", '{"a":1}{"b":2}', '{"a": NaN}', "[1]", '"{}"'),
        *('{"a": "\\ud83d"}', '{"a": "\ud83d"}', '{"a": 1, "a": 2}', '{"a": "6*', "```json\n{}\n```", '{"a": "\0"}'),
    ]
)
completions = st.builds(
    Completion,
    content=st.sampled_from(["", " \n", "Let me see.", "\0", "half \ud83d"]) | any_text,
    model=st.just("m"),
    finish_reason=st.sampled_from(["stop", "tool_calls"]),
    usage=st.just(Usage(1, 1)),
    tool_calls=st.lists(st.builds(ToolCall, id=any_text, name=names, arguments=written), max_size=20).map(tuple),
)
"""Replies as any model may write them, with native calls."""


def request_after(replies: Sequence[Completion], result: str = "42") -> tuple[dict[str, Any], list[Thought]]:
    """Return the request that follows these replies, each of whose calls has its result."""
    turns = [TurnText(Role.USER, "Do it.", None)]
    thoughts = list[Thought]()
    for number, reply in enumerate(replies, start=1):
        thought, bodies = thinking.thought_of(reply, str(number), [tool.name for tool in SPEC.tools], "1" * 64)
        thoughts.append(thought)
        turns.append(TurnText(Role.ASSISTANT, bodies[0].body or "", None))
        turns += [TurnText(Role.TOOL, result, call.id) for call in thought.calls]
    prompt: Prompt = prompt_of(SPEC, "[]", turns)
    return arguments(SERVER, prompt, Sampling(max_output_tokens=100), streams=True, dialect={}), thoughts


@given(st.lists(completions, max_size=3), st.sampled_from(["", "\0", fenced("calculator", "42")]))
def test_every_conversation_is_valid_for_its_protocol(replies: list[Completion], result: str) -> None:
    request, _ = request_after(replies, result)
    assert objection(request) is None


@given(completions)
def test_the_call_that_is_sent_back_is_the_call_that_was_to_be_made(reply: Completion) -> None:
    request, [thought] = request_after([reply])
    back = [call["function"] for message in request["messages"] for call in message.get("tool_calls", ())]
    assert len(back) == len(thought.calls)
    for call, sent in zip(thought.calls, back, strict=True):
        body = call.arguments.body
        if body is None:
            continue  # it is in the turn's own body
        try:
            read(body)
        except BadInput:
            assert sent["arguments"] == "{}"
        else:
            assert sent["arguments"] == body
        if call.tool in ("calculator", "create_ticket"):
            assert sent["name"] == call.tool


@given(completions)
def test_the_transcript_keeps_what_the_model_wrote(reply: Completion) -> None:
    _, bodies = thinking.thought_of(reply, "1", [], "1" * 64)
    kept = bodies[0].body or ""
    for call in reply.tool_calls[: thinking.MOST_CALLS]:
        if call.arguments.isascii() and call.arguments.isprintable():
            assert call.arguments.replace("\\", "\\\\").replace('"', '\\"') in kept


@pytest.mark.parametrize("broken", ['{"expression": "6*7",', "{}{}", "[1]", "null", '{"a": NaN}', ""])
def test_the_strict_stub_refuses_what_servers_refuse(broken: str) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "calculator", "arguments": broken}}
    messages = [
        {"role": "user", "content": "Count."},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "42"},
    ]
    assert objection({"messages": messages}) is not None
