"""Tools for a model whose server has none: the reply is held to a schema that lists them, and read back as a call."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from pydantic_core import from_json

from activities.ports import ANY_TOOL, Message, Prompt, ToolCall

Json = dict[str, Any]

CALL = 'To call a tool, reply with {"tool": its name, "arguments": {...}}.'
ANSWER = 'To answer, reply with {"answer": ...}.'


def as_choice(prompt: Prompt) -> Prompt:
    """The same prompt without tools: they stand in the first message, and the schema allows a call or an answer."""
    choices: list[Json] = [
        _object({"tool": {"const": tool.name}, "arguments": dict(tool.parameters)})
        for tool in prompt.tools
        if prompt.tool_choice in (None, ANY_TOOL, tool.name)
    ]
    if prompt.tool_choice is None:
        choices.append(_object({"answer": dict(prompt.schema) if prompt.schema is not None else {"type": "string"}}))
    return Prompt(_told(prompt), schema={"anyOf": choices})


def read_choice(content: str) -> tuple[str, tuple[ToolCall, ...]]:
    """The answer's text and the call, of which one is empty. What is not whole, such as a cut reply, stays text."""
    try:
        chosen: Any = json.loads(content)
    except (ValueError, RecursionError):
        return content, ()
    if not isinstance(chosen, dict):
        return content, ()
    fields = cast("Json", chosen)
    if isinstance(name := fields.get("tool"), str):
        arguments = json.dumps(fields.get("arguments", {}), ensure_ascii=False)
        return "", (ToolCall(id=f"call-{secrets.token_hex(8)}", name=name, arguments=arguments),)
    if "answer" in fields:
        return _text(fields["answer"]), ()
    return content, ()


class ChoiceReader:
    """Follows a choice while it streams, and tells the new characters of its answer."""

    def __init__(self) -> None:
        self._content = ""
        self._told = ""

    def hear(self, piece: str) -> str:
        """The answer's new characters, empty for a call; an answer that is no string is told at its end."""
        self._content += piece
        try:
            so_far: Any = from_json(self._content, allow_partial="trailing-strings")
        except ValueError:
            return ""
        answer: object = cast("Json", so_far).get("answer") if isinstance(so_far, dict) else None
        return self._new(answer) if isinstance(answer, str) else ""

    def rest(self, text: str) -> str:
        """What of the whole text was not told yet."""
        return self._new(text)

    def _new(self, text: str) -> str:
        if not text.startswith(self._told):
            return ""
        new, self._told = text[len(self._told) :], text
        return new


def _told(prompt: Prompt) -> Sequence[Message]:
    """The messages. A tool that is due is left to the schema, so that their beginning is the same in every turn."""
    tools = [
        json.dumps({"tool": tool.name, "does": tool.description, "arguments": dict(tool.parameters)})
        for tool in prompt.tools
    ]
    told = "\n".join(["Tools:", *tools, CALL, *(() if prompt.tool_choice == ANY_TOOL else (ANSWER,))])
    messages = [_as_text(message) for message in prompt.messages]
    if messages and messages[0].role == "system":
        return [replace(messages[0], content=f"{messages[0].content}\n\n{told}"), *messages[1:]]
    return [Message("system", told), *messages]


def _as_text(message: Message) -> Message:
    """A message of a conversation with tools, for a template that knows none."""
    if message.role == "tool":
        return Message("user", f"Result of the tool:\n{message.content}")
    if message.tool_calls:
        calls = [f'{{"tool": {json.dumps(call.name)}, "arguments": {call.arguments}}}' for call in message.tool_calls]
        return Message("assistant", "\n".join(filter(None, [message.content, *calls])))
    if message.role == "assistant":
        # As the model has to write it: where only calls stood in braces, a small model took every reply for a call.
        return Message("assistant", json.dumps({"answer": message.content}, ensure_ascii=False))
    return message


def _object(properties: Mapping[str, Json]) -> Json:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _text(answer: object) -> str:
    return answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
