"""How an agent's conversation becomes a prompt, and what a model says becomes a turn. Pure functions."""

import json
from collections.abc import Sequence
from typing import Any

from activities.ports import Message, Prompt, ToolCall, ToolSchema
from activities.transcripts import Told
from perdure.contracts.agent import AgentSpec
from perdure.contracts.transcript import Role


def prompt_of(spec: AgentSpec, instructions: str, turns: Sequence[Told]) -> Prompt:
    """The exact request: the fixed beginning first, so that its computation is reused, then every turn.

    `instructions` is the body of the spec's own, JSON messages.
    """
    fixed = [_fixed(message) for message in json.loads(instructions)]
    tools = [ToolSchema(tool.name, tool.description, tool.parameters) for tool in spec.tools]
    return Prompt([*fixed, *map(_message, turns)], tools=tools)


def turn_text(content: str, calls: Sequence[ToolCall]) -> str:
    """What the model said, as the body of its turn."""
    asked = [{"id": call.id, "name": call.name, "arguments": call.arguments} for call in calls]
    return json.dumps({"content": content, "calls": asked}, ensure_ascii=False)


def _fixed(message: dict[str, Any]) -> Message:
    calls = tuple(ToolCall(call["id"], call["name"], call["arguments"]) for call in message.get("tool_calls", ()))
    return Message(message["role"], message["content"], calls, message.get("tool_call_id"))


def _message(turn: Told) -> Message:
    body = turn.body
    match turn.role:
        case Role.USER:
            return Message("user", body)
        case Role.TOOL:
            return Message("tool", body, tool_call_id=turn.call)
        case Role.ASSISTANT:
            said = json.loads(body)
            calls = tuple(ToolCall(call["id"], call["name"], call["arguments"]) for call in said["calls"])
            return Message("assistant", said["content"], calls)
