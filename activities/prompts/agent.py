"""How an agent's conversation becomes a prompt, and what a model says becomes a turn. Pure functions."""

import json
from collections.abc import Sequence
from typing import Any

from activities.bodies.transcripts import Told
from activities.ports import Message, Prompt, ToolCall, ToolSchema
from agents import summary
from perdure.contracts.agents.agent import AgentSpec
from perdure.contracts.agents.transcript import Role


def prompt_of(spec: AgentSpec, instructions: str, turns: Sequence[Told]) -> Prompt:
    """The exact request: the fixed beginning first, so that its computation is reused, then every turn.

    `instructions` is the body of the spec's own, JSON messages.
    """
    fixed = [_fixed(message) for message in json.loads(instructions)]
    tools = [ToolSchema(tool.name, tool.description, tool.parameters) for tool in spec.tools]
    begins = all(turn.role is Role.USER for turn in turns)
    return Prompt([*fixed, *map(_message, turns)], tools=tools, tool_choice=spec.begins_with if begins else None)


def summary_prompt(instructions: str, opening: Sequence[Told], older: Sequence[Told]) -> Prompt:
    """The exact request for a summary of the older turns, all of it one record: no tool can be called for it.

    `opening` is the task, for the sake of which something matters or does not; turns come with their bodies.
    """
    said = summary.request([_said(turn) for turn in (*opening, *older)])
    return Prompt([Message("system", instructions), Message("user", said)])


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
        case Role.USER | Role.SUMMARY:
            return Message("user", body)
        case Role.TOOL:
            return Message("tool", body, tool_call_id=turn.call)
        case Role.ASSISTANT:
            said = json.loads(body)
            calls = tuple(ToolCall(call["id"], call["name"], call["arguments"]) for call in said["calls"])
            return Message("assistant", said["content"], calls)


def _said(turn: Told) -> summary.Turn:
    body = turn.body
    if turn.role is Role.ASSISTANT:
        said = json.loads(body)
        asked = [f"calls {call['name']}({call['arguments']})" for call in said["calls"]]
        body = "\n".join([*([said["content"]] if said["content"] else []), *asked])
    return summary.Turn(turn.role.value, body)
