"""What a server's dialect says arrives through LiteLLM as it was written: the model port over real HTTP."""

import json
from pathlib import Path
from typing import Any

import pytest

from activities.adapters.model_replies.thinking import ThinkingSplitter
from activities.adapters.models.litellm_model import LiteLLMModel
from activities.ports import FinishReason, Message, ModelFailed, Prompt, Usage
from tests.ports.models.model_cases import ASK, CALCULATOR, COLOUR, FEW, ME, STREAMS, Listener, failure_of, model_for
from tests.support.servers.stub_model import StubModel

WITH_TOOLS = Prompt(ASK.messages, tools=[CALCULATOR])
USAGE = {"usage": {"prompt_tokens": 9, "completion_tokens": 3}}


@pytest.fixture
def model(tmp_path: Path, stub: StubModel) -> LiteLLMModel:
    return model_for(tmp_path, stub.url, idle_seconds=0.3)


def events(*deltas: dict[str, Any] | None, reason: str = "stop") -> dict[str, Any]:
    """Return the script of a stream of deltas, with its end and its usage."""
    chunks = [{"model": "stub", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    end = {"model": "stub", "choices": [{"index": 0, "delta": None, "finish_reason": reason}], **USAGE}
    return {"sse": [json.dumps(chunk) for chunk in [*chunks, end]]}


def whole(message: dict[str, Any], reason: str = "stop") -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
    return {"status": 200, "body": {"model": "stub", "choices": [choice], **USAGE}}


@STREAMS
async def test_thoughts_and_refusals_are_told_from_the_answer(
    model: LiteLLMModel, stub: StubModel, *, streams: bool
) -> None:
    listener = Listener() if streams else None
    for fields in ({"reasoning_content": "Hm."}, {"reasoning": "Hm."}):
        stub.script = [events(fields, {"content": "42."}) if streams else whole({**fields, "content": "42."})]
        completion = await model.complete("fast", ASK, FEW, ME, listener)
        assert (completion.content, completion.reasoning) == ("42.", "Hm.")
    tagged = ["<thi", "nk>Hm.</th", "ink>\n\n42."]
    stub.script = [
        events(*({"content": piece} for piece in tagged)) if streams else whole({"content": "".join(tagged)})
    ]
    completion = await model.complete("fast", ASK, FEW, ME, listener)
    assert (completion.content, completion.reasoning) == ("42.", "Hm.")
    refusal = {"content": None, "refusal": "I cannot help with that."}
    stub.script = [events(refusal) if streams else whole(refusal)]
    completion = await model.complete("fast", ASK, FEW, ME, listener)
    assert (completion.content, completion.refusal) == ("", "I cannot help with that.")
    assert completion.finish_reason == FinishReason.REFUSAL
    assert listener is None or listener.text == "42." * 3


@pytest.mark.parametrize("index", [{"index": 0}, {}])
async def test_calls_are_told_apart_by_their_ids(index: dict[str, int], model: LiteLLMModel, stub: StubModel) -> None:
    pieces: list[dict[str, Any]] = []
    for number in (1, 2):
        function = {"name": "calculator", "arguments": '{"expression": '}
        pieces += [{"id": f"c{number}", "type": "function", "function": function, **index}]
        pieces += [{"function": {"arguments": f'"{number}+1"}}'}, **index}]
    stub.script = [events(*({"tool_calls": [piece]} for piece in pieces), reason="tool_calls")]
    completion = await model.complete("fast", WITH_TOOLS, FEW, ME, Listener())
    assert [(call.id, json.loads(call.arguments)) for call in completion.tool_calls] == [
        ("c1", {"expression": "1+1"}),
        ("c2", {"expression": "2+1"}),
    ]


@STREAMS
async def test_arguments_that_are_an_object_are_its_json(
    model: LiteLLMModel, stub: StubModel, *, streams: bool
) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "calculator", "arguments": {"expression": "é"}}}
    fields = {"content": None, "tool_calls": [call]}
    stub.script = [events(fields, reason="tool_calls") if streams else whole(fields, "tool_calls")]
    completion = await model.complete("fast", WITH_TOOLS, FEW, ME, Listener() if streams else None)
    assert [call.arguments for call in completion.tool_calls] == ['{"expression": "é"}']


async def test_a_character_cut_in_two_is_shown_and_saved_whole(model: LiteLLMModel, stub: StubModel) -> None:
    stub.script = [events({"content": "Great \ud83d"}, None, {"content": "\ude42 news"}), events({"content": "\ud83d"})]
    for text in ("Great 🙂 news", "\ufffd"):
        listener = Listener()
        completion = await model.complete("fast", ASK, FEW, ME, listener)
        assert completion.content == listener.text == text


async def test_the_first_event_after_a_bom_and_one_over_several_lines_are_read(
    model: LiteLLMModel, stub: StubModel
) -> None:
    chunk = json.dumps({"choices": [{"delta": {"content": "One "}}]}).encode()
    second = json.dumps({"choices": [{"delta": {"content": "two."}, "finish_reason": "stop"}], **USAGE}, indent=1)
    lines = b"".join(b"data: " + line + b"\n" for line in second.encode().split(b"\n"))
    body = b"\xef\xbb\xbfdata: " + chunk + b"\n\n" + lines + b"\n"
    stub.script = [{"bytes": [body[:2], body[2:90], body[90:]], "type": "text/event-stream"}]
    listener = Listener()
    completion = await model.complete("fast", ASK, FEW, ME, listener)
    assert completion.content == listener.text == "One two."


@pytest.mark.parametrize(
    ("reported", "usage"),
    [
        ({"prompt_tokens": 0, "completion_tokens": 2}, Usage(0, 2)),
        ({"prompt_tokens": 9, "completion_tokens": None}, Usage(9, None)),
        ({"prompt_tokens": 9, "completion_tokens": -2}, Usage(9, None, 0, "completion_tokens = -2")),
    ],
)
@STREAMS
async def test_odd_usage_does_not_cost_the_reply(
    reported: dict[str, Any], usage: Usage, model: LiteLLMModel, stub: StubModel, *, streams: bool
) -> None:
    script = events({"content": "a"})
    script["sse"].append(json.dumps({"choices": [], "usage": reported}))
    script["sse"][1] = script["sse"][1].replace(json.dumps(USAGE["usage"]), "null")
    body = whole({"content": "a"})
    body["body"]["usage"] = reported
    stub.script = [script if streams else body]
    completion = await model.complete("fast", ASK, FEW, ME, Listener() if streams else None)
    assert (completion.content, completion.usage) == ("a", usage)


async def test_a_reply_that_is_whole_is_used_though_its_connection_stays_open_or_breaks(
    model: LiteLLMModel, stub: StubModel
) -> None:
    """The reason has come, and with it the whole text: only the usage may be missing."""
    end = {"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}]}
    stub.script = [{"sse": [json.dumps(end)], "ends": ends} for ends in ("open", "broken")]
    for _ in range(2):
        completion = await model.complete("fast", ASK, FEW, ME, Listener())
        assert (completion.content, completion.usage) == ("a", Usage(None, None))


async def test_a_text_that_was_shown_and_is_not_the_text_of_the_reply_is_a_fault(
    model: LiteLLMModel, stub: StubModel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def loud(_: ThinkingSplitter, piece: str) -> tuple[str, str]:
        return piece.upper(), ""

    monkeypatch.setattr(ThinkingSplitter, "add", loud)
    stub.script = [events({"content": "quiet"})]
    error = await failure_of(model, streams=True)
    assert type(error) is ModelFailed
    assert "the text that was shown is not the text of the reply (5 and 5 characters)" in str(error)
    assert "shown_is_not_saved" in capsys.readouterr().out, "an alert is logged"


@pytest.mark.parametrize(
    ("pieces", "reason", "answer"),
    [
        (['{"answer": "a', 'bc"}'], "stop", "abc"),
        (['{"answer": "abc"}', " I hope that helps."], "stop", "abc"),
        (['{"answer": "a', "bc"], "length", "abc"),
        (['{"tool": "calculator", "argum'], "length", ""),
        (["<think>Hm.</think>", '{"answer": "abc"}'], "stop", "abc"),
        (["abc"], "stop", "abc"),
        (['{"answer": "\\ud83d', '\\ude42 \\ud83d"}'], "stop", "🙂 \ufffd"),
    ],
)
async def test_an_answer_in_a_choice_is_shown_as_it_is_saved(
    pieces: list[str], reason: str, answer: str, tmp_path: Path, stub: StubModel
) -> None:
    model = model_for(tmp_path, stub.url, capabilities='{ tools = "schema", json_schema = true }')
    stub.script = [events(*({"content": piece} for piece in pieces), reason=reason)]
    listener = Listener()
    completion = await model.complete("fast", WITH_TOOLS, FEW, ME, listener)
    assert completion.content == listener.text == answer
    stub.script = [whole({"content": "".join(pieces)}, reason)]
    assert (await model.complete("fast", WITH_TOOLS, FEW, ME)).content == answer


@STREAMS
async def test_a_call_that_the_server_read_itself_is_a_call_where_a_choice_was_asked_for(
    tmp_path: Path, stub: StubModel, *, streams: bool
) -> None:
    model = model_for(tmp_path, stub.url, capabilities='{ tools = "schema", json_schema = true }')
    stub.script = [{"tool_calls": [{"name": "calculator", "arguments": {"expression": "1+1"}}]}]
    completion = await model.complete("fast", WITH_TOOLS, FEW, ME, Listener() if streams else None)
    assert [call.name for call in completion.tool_calls] == ["calculator"]
    assert (completion.content, completion.finish_reason) == ("", "tool_calls")


@STREAMS
async def test_an_anthropic_model_without_schemas_answers_by_its_schema(
    tmp_path: Path, stub: StubModel, *, streams: bool
) -> None:
    model = model_for(tmp_path, stub.url, provider='"anthropic"', capabilities="{ json_schema = true }")
    block = {"type": "tool_use", "id": "t", "name": "json_tool_call", "input": {"colour": "red"}}
    message = {"type": "message", "model": "stub", "content": [block], "stop_reason": "tool_use"}
    usage = {"input_tokens": 9, "output_tokens": 3}
    lines = [
        {"type": "content_block_start", "index": 0, "content_block": {**block, "input": {}}},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "input_json_delta", "partial_json": '{"colour": '},
        },
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '"red"}'}},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": usage},
    ]
    sse = {"sse": list(map(json.dumps, lines))}
    stub.script = [sse if streams else {"status": 200, "body": {**message, "usage": usage}}]
    ask = Prompt([Message("user", "Which?")], schema=COLOUR)
    listener = Listener() if streams else None
    completion = await model.complete("fast", ask, FEW, ME, listener)
    assert json.loads(completion.content) == {"colour": "red"}
    assert (completion.tool_calls, completion.finish_reason, completion.usage) == ((), "stop", Usage(9, 3))
    assert listener is None or listener.text == completion.content
    assert "json_tool_call" in json.dumps(stub.requests), "LiteLLM has asked for it"
