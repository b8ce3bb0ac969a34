"""A prompt's digest names the exact request, and those that were recorded before stay what they were."""

from dataclasses import replace

import pytest

from activities.ports import ANY_TOOL, Message, Prompt, ToolCall, ToolSchema, digest_of

SAID = (Message("system", "Answer from the sentences."), Message("user", "How deep? Ünïcode 深い"))
CALCULATOR = ToolSchema("calculator", "Works it out.", {"type": "object"})
ASKED = Message("assistant", "", tool_calls=(ToolCall("call-1", "calculator", '{"expression": "2 * 21"}'),))
TOLD = Message("tool", "42", tool_call_id="call-1")
TURN = Prompt([*SAID, ASKED, TOLD], tools=[CALCULATOR])


@pytest.mark.parametrize(
    ("prompt", "digest"),
    [
        (Prompt(SAID), "26767a7fe06bafabd8af2721e3121e487ce8fdfd321ae9ea887fb48131fec6da"),
        (
            Prompt(SAID, schema={"type": "object", "properties": {"b": {}, "a": {}}}),
            "8a79ad650d07cc1b54d358b6318b8274725b51f4f6b841539548da85373be8f0",
        ),
        (
            Prompt([Message("user", "2 * 21?")], tools=[CALCULATOR]),
            "7b323bdb977f9e5586c1c782ef80b52685406136cab8cab2c0cfb8d73d428d98",
        ),
    ],
)
def test_a_prompt_in_which_no_tool_was_called_is_named_as_in_histories_of_before(prompt: Prompt, digest: str) -> None:
    assert digest_of(prompt) == digest


def test_a_digest_changes_with_everything_that_is_said_of_tools() -> None:
    [call] = ASKED.tool_calls
    others = [
        replace(TURN, messages=[*SAID, replace(ASKED, tool_calls=()), TOLD]),
        replace(TURN, messages=[*SAID, replace(ASKED, tool_calls=(call, call)), TOLD]),
        *(
            replace(TURN, messages=[*SAID, replace(ASKED, tool_calls=(replace(call, **changed),)), TOLD])
            for changed in ({"id": "call-2"}, {"name": "http_get"}, {"arguments": "{}"})
        ),
        replace(TURN, messages=[*SAID, ASKED, replace(TOLD, tool_call_id="call-2")]),
        replace(TURN, messages=[*SAID, ASKED, replace(TOLD, tool_call_id=None)]),
        replace(TURN, tool_choice=ANY_TOOL),
        replace(TURN, tool_choice="calculator"),
        replace(TURN, tools=[replace(CALCULATOR, name="other")]),
        replace(TURN, tools=()),
    ]
    assert len({digest_of(prompt) for prompt in (TURN, *others)}) == 1 + len(others)
    assert digest_of(TURN) == digest_of(replace(TURN))
