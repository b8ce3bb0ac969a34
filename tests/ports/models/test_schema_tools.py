"""A conversation with tools, rendered for a model without tools."""

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
    messages = as_choice(Prompt(messages, tools=[ADD])).messages
    answers = [message.content for message in messages if message.role == "assistant"]
    assert json.loads(answers[0]) == {"tool": "add", "arguments": {"a": 1}}
    assert answers[1] == '{"answer": "It is \\"1\\", søren."}'
    assert read_choice(answers[1]) == ('It is "1", søren.', ())


def test_a_call_that_is_due_is_all_that_the_schema_allows_and_the_messages_stay() -> None:
    other = ToolSchema("look", "Look.", {"type": "object", "properties": {}})
    free = Prompt([Message("system", "Help."), Message("user", "What is 1?")], tools=[ADD, other])
    forced = as_choice(replace(free, tool_choice="look"))
    assert forced.messages == as_choice(free).messages
    assert forced.schema is not None
    assert [choice["properties"]["tool"] for choice in forced.schema["anyOf"]] == [{"const": "look"}]
