"""Tool calls for a server without them: a JSON schema lists the tools, and the reply is parsed as a call."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from pydantic_core import from_json

from activities.adapters.model_replies.characters import whole_characters
from activities.ports import ANY_TOOL, Message, Prompt, ToolCall

Json = dict[str, Any]

CALL = 'To call a tool, reply with {"tool": its name, "arguments": {...}}.'
ANSWER = 'To answer, reply with {"answer": ...}.'


def as_choice(prompt: Prompt) -> Prompt:
    """Return the prompt with the tools in its first message, and a schema that allows a call or an answer."""
    choices: list[Json] = [
        _object({"tool": {"const": tool.name}, "arguments": dict(tool.parameters)})
        for tool in prompt.tools
        if prompt.tool_choice in (None, ANY_TOOL, tool.name)
    ]
    if prompt.tool_choice is None:
        choices.append(_object({"answer": dict(prompt.schema) if prompt.schema is not None else {"type": "string"}}))
    return Prompt(_messages_with_tools(prompt), schema={"anyOf": choices})


def read_choice(content: str) -> tuple[str, tuple[ToolCall, ...]]:
    """Return the answer's text and the call; one of them is empty. Anything else stays text.

    Only the first object counts: small models write on after it.
    """
    choice = _first_value(content)
    if not isinstance(choice, dict):
        return content, ()
    fields = cast("Json", choice)
    if isinstance(answer := fields.get("answer"), str):
        return whole_characters(answer), ()
    if isinstance(name := fields.get("tool"), str):
        arguments = json.dumps(fields.get("arguments", {}), ensure_ascii=False)
        return "", (ToolCall(id=f"call-{secrets.token_hex(8)}", name=name, arguments=whole_characters(arguments)),)
    if "answer" in fields:
        return whole_characters(json.dumps(fields["answer"], ensure_ascii=False)), ()
    return content, ()


def answer_so_far(content: str) -> str:
    """Return the answer's text in a choice that was cut: none of a call, and all of what is no choice."""
    choice = _value_so_far(content)
    if not isinstance(choice, dict):
        return content
    answer: object = cast("Json", choice).get("answer")
    return whole_characters(answer) if isinstance(answer, str) else ""


class ChoiceReader:
    """Reads a choice while it streams, and returns the new characters of its answer."""

    def __init__(self) -> None:
        self._content = ""
        self._sent = ""

    def add(self, piece: str) -> str:
        """Add a piece; return the answer's new characters, empty for a call. An answer that is no string comes last."""
        self._content += piece
        so_far = _value_so_far(self._content)
        answer: object = cast("Json", so_far).get("answer") if isinstance(so_far, dict) else None
        return self._unsent(whole_characters(answer)) if isinstance(answer, str) else ""

    def unsent_rest(self, text: str) -> str:
        """Return the part of the whole text that was not returned yet."""
        return self._unsent(text)

    def _unsent(self, text: str) -> str:
        if not text.startswith(self._sent):
            return ""
        unsent, self._sent = text[len(self._sent) :], text
        return unsent


def _messages_with_tools(prompt: Prompt) -> Sequence[Message]:
    """Return the messages with the tools. A required tool is named only in the schema: the messages stay the same."""
    tools = [
        json.dumps({"tool": tool.name, "does": tool.description, "arguments": dict(tool.parameters)})
        for tool in prompt.tools
    ]
    instructions = "\n".join(["Tools:", *tools, CALL, *(() if prompt.tool_choice == ANY_TOOL else (ANSWER,))])
    messages = [_as_text(message) for message in prompt.messages]
    if messages and messages[0].role == "system":
        return [replace(messages[0], content=f"{messages[0].content}\n\n{instructions}"), *messages[1:]]
    return [Message("system", instructions), *messages]


def _as_text(message: Message) -> Message:
    """Return a message of a conversation with tools as plain text, for a chat template without tools."""
    if message.role == "tool":
        return Message("user", f"Result of the tool:\n{message.content}")
    if message.tool_calls:
        calls = [f'{{"tool": {json.dumps(call.name)}, "arguments": {call.arguments}}}' for call in message.tool_calls]
        return Message("assistant", "\n".join(filter(None, [message.content, *calls])))
    if message.role == "assistant":
        # In the form that the model has to write: when only calls were JSON, a small model made every reply a call.
        return Message("assistant", json.dumps({"answer": message.content}, ensure_ascii=False))
    return message


def _object(properties: Mapping[str, Json]) -> Json:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _value_so_far(content: str) -> object:
    """Return the value of JSON that may be cut anywhere; None where nothing is sure yet."""
    try:
        return from_json(content, allow_partial="trailing-strings")
    except ValueError:
        return _first_value(content)


def _first_value(content: str) -> object:
    """Return the first value of a text that begins with JSON; None for any other."""
    try:
        return json.JSONDecoder().raw_decode(content.lstrip())[0]
    except (ValueError, RecursionError):
        return None
