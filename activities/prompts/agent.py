"""Turns an agent's conversation into a prompt, and a model's reply into a turn. Pure functions."""

import json
from collections.abc import Collection, Sequence
from typing import Any

from activities.bodies.transcripts import TurnText
from activities.ports import Message, Prompt, ToolCall, ToolSchema
from activities.text.structured_reply import shown_again
from activities.text.tool_arguments import for_server, name_for_server
from agents import summary
from perdure.contracts.agents.agent import AgentSpec
from perdure.contracts.agents.transcript import Role


def prompt_of(spec: AgentSpec, instructions: str, turns: Sequence[TurnText]) -> Prompt:
    """Return the exact prompt: first the fixed messages, so that a server reuses their computation, then every turn.

    `instructions` is the body of the spec's instructions: messages as JSON.
    """
    fixed = [_fixed(message) for message in json.loads(instructions)]
    tools = [ToolSchema(tool.name, tool.description, tool.parameters) for tool in spec.tools]
    is_first = all(turn.role is Role.USER for turn in turns)
    granted = [tool.name for tool in tools]
    messages = [_message(turn, granted) for turn in turns]
    return Prompt([*fixed, *messages], tools=tools, tool_choice=spec.begins_with if is_first else None)


def summary_prompt(instructions: str, opening: Sequence[TurnText], older: Sequence[TurnText]) -> Prompt:
    """Return the exact prompt for a summary of the older turns. They are one message, so that no tool is called.

    `opening` is the task, by which the model decides what matters.
    """
    request = summary.request([_for_summary(turn) for turn in (*opening, *older)])
    return Prompt([Message("system", instructions), Message("user", request)])


def turn_text(content: str, calls: Sequence[ToolCall]) -> str:
    """Return the body of a model's turn: its text and its tool calls, as JSON."""
    requested = [{"id": call.id, "name": call.name, "arguments": call.arguments} for call in calls]
    return json.dumps({"content": content, "calls": requested}, ensure_ascii=False)


def _fixed(message: dict[str, Any]) -> Message:
    calls = tuple(ToolCall(call["id"], call["name"], call["arguments"]) for call in message.get("tool_calls", ()))
    return Message(message["role"], message["content"], calls, message.get("tool_call_id"))


def _message(turn: TurnText, granted: Collection[str]) -> Message:
    """Return a turn as a message that is valid for a server's protocol, whatever the model wrote in it."""
    match turn.role:
        case Role.USER | Role.SUMMARY | Role.NOTE:
            return Message("user", shown_again(turn.body))
        case Role.TOOL:
            return Message("tool", shown_again(turn.body), tool_call_id=turn.call)
        case Role.ASSISTANT:
            reply = json.loads(turn.body)
            calls = tuple(
                ToolCall(call["id"], name_for_server(call["name"], granted), for_server(call["arguments"]))
                for call in reply["calls"]
            )
            is_silent = not reply["content"].strip()
            return Message("assistant", "" if is_silent and calls else shown_again(reply["content"]), calls)


def _for_summary(turn: TurnText) -> summary.Turn:
    body = turn.body
    if turn.role is Role.ASSISTANT:
        reply = json.loads(body)
        requested = [f"calls {call['name']}({call['arguments']})" for call in reply["calls"]]
        body = "\n".join([*([reply["content"]] if reply["content"] else []), *requested])
    return summary.Turn(turn.role.value, body)
