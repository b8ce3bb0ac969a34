"""A conversation with tools, as a model without them reads it."""

import json
from dataclasses import replace

from activities.adapters.models.schema_tools import as_choice, read_choice
from activities.ports import Message, Prompt, ToolCall, ToolSchema

ADD = ToolSchema("add", "Add numbers.", {"type": "object", "properties": {}})


def test_earlier_answers_and_calls_stand_as_the_model_has_to_write_them() -> None:
    call = ToolCall(id="one", name="add", arguments='{"a": 1}')
    messages = [
        Message("user", "What is 1?"),
        Message("assistant", "", (call,)),
        Message("tool", "1", (), "one"),
        Message("assistant", 'It is "1", søren.'),
    ]
    shown = as_choice(Prompt(messages, tools=[ADD])).messages
    said = [message.content for message in shown if message.role == "assistant"]
    assert json.loads(said[0]) == {"tool": "add", "arguments": {"a": 1}}
    assert said[1] == '{"answer": "It is \\"1\\", søren."}'
    assert read_choice(said[1]) == ('It is "1", søren.', ())


def test_a_call_that_is_due_is_all_that_the_schema_allows_and_the_messages_stay() -> None:
    other = ToolSchema("look", "Look.", {"type": "object", "properties": {}})
    free = Prompt([Message("system", "Help."), Message("user", "What is 1?")], tools=[ADD, other])
    held = as_choice(replace(free, tool_choice="look"))
    assert held.messages == as_choice(free).messages
    assert held.schema is not None
    assert [choice["properties"]["tool"] for choice in held.schema["anyOf"]] == [{"const": "look"}]
