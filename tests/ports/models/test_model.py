"""What every model port does, whatever server answers: one suite, for each server under test.

What a server cannot do stands in its `Can`, and the suite asserts what comes of it then.
"""

import asyncio
import json
from collections.abc import Generator

import pytest

from activities.ports import ANY_TOOL, Caller, Completion, Message, NotConfigured, Prompt, Sampling
from tests.ports.model_servers.servers_under_test import Served, llama_cpp, sglang, stubbed
from tests.ports.models.model_cases import ASK, CALCULATOR, COLOUR, FEW, LOOK_UP, ME, STREAMS, Listener
from tests.support.waiting import until

TO_A_CALL = Sampling(max_output_tokens=160)


SLOW = [pytest.mark.sglang, pytest.mark.timeout(900)]
"""The timeout of a test: importing the libraries alone takes a minute or more."""


@pytest.fixture(scope="module", params=["stub", "llama.cpp", pytest.param("sglang", marks=SLOW)])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    folder = tmp_path_factory.mktemp("model")
    match request.param:
        case "stub":
            with stubbed(folder) as stub:
                yield stub
        case "llama.cpp":
            with llama_cpp(folder) as server:
                yield server
        case _:
            yield sglang(folder, request.getfixturevalue("sglang_server"))


async def test_a_reply_comes_with_its_usage_its_model_and_why_it_ended(served: Served) -> None:
    completion = await served.model.complete("fast", ASK, FEW, ME)
    assert completion.content
    assert (completion.usage.input_tokens or 0) > 0
    assert (completion.usage.output_tokens or 0) > 0
    assert completion.model == served.name
    assert completion.finish_reason in {"stop", "length"}
    assert completion.first_token_ms is None


async def test_streamed_pieces_join_to_the_content(served: Served) -> None:
    listener = Listener()
    completion = await served.model.complete("fast", ASK, FEW, ME, listener)
    assert listener.text == completion.content
    assert len([piece for piece, _ in listener.heard if piece]) > 1
    assert completion.first_token_ms is not None
    assert completion.first_token_ms > 0


async def test_a_streamed_reply_is_the_one_that_comes_whole(served: Served) -> None:
    whole = await served.model.complete("fast", ASK, FEW, ME)
    streamed = await served.model.complete("fast", ASK, FEW, ME, Listener())
    assert (streamed.finish_reason, streamed.model, streamed.usage.input_tokens) == (
        *(whole.finish_reason, whole.model, whole.usage.input_tokens),
    )
    if served.can.repeats:
        assert (streamed.content, streamed.usage.output_tokens) == (whole.content, whole.usage.output_tokens)
    else:
        assert streamed.content
        assert whole.content


async def test_usage_is_told_on_the_way_and_grows_to_the_final_one(served: Served) -> None:
    listener = Listener()
    completion = await served.model.complete("fast", ASK, FEW, ME, listener)
    assert listener.counts == sorted(listener.counts)
    assert listener.counts[0] < (completion.usage.output_tokens or 0)
    assert {usage.input_tokens for _, usage in listener.heard if usage} == {completion.usage.input_tokens}


@STREAMS
async def test_log_probabilities_are_reported_for_each_token(served: Served, *, streams: bool) -> None:
    sampling = Sampling(max_output_tokens=8, logprobs=2)
    completion = await served.model.complete("fast", ASK, sampling, ME, Listener() if streams else None)
    assert completion.logprobs
    assert all(entry.logprob <= 0 and len(entry.top) == 2 for entry in completion.logprobs)
    if served.can.limits:  # a model answers, so tokens mean something
        assert "".join(entry.token for entry in completion.logprobs) == completion.content
        assert all(entry.logprob == entry.top[0][1] for entry in completion.logprobs), "temperature 0 takes the best"


async def test_a_reply_cut_by_its_limit_says_so(served: Served) -> None:
    completion = await served.model.complete("fast", ASK, Sampling(max_output_tokens=3), ME)
    if served.can.limits:
        assert completion.finish_reason == "length"
        assert completion.usage.output_tokens == 3
    else:
        assert (completion.finish_reason, (completion.usage.output_tokens or 0) > 3) == ("stop", True), (
            "what it says is told"
        )


async def test_the_same_seed_draws_the_same_reply(served: Served) -> None:
    hot = Sampling(max_output_tokens=16, temperature=1.5, seed=11)
    one, same = [await served.model.complete("fast", ASK, hot, ME) for _ in range(2)]
    other = await served.model.complete("fast", ASK, Sampling(max_output_tokens=16, temperature=1.5, seed=12), ME)
    if served.can.seeds:
        assert one.content == same.content
        assert one.content != other.content
    else:
        assert all(drawn.content and drawn.finish_reason in {"stop", "length"} for drawn in (one, same, other))


@STREAMS
async def test_a_reply_holds_to_its_schema(served: Served, *, streams: bool) -> None:
    ask = Prompt([Message("user", "Name a colour.")], schema=COLOUR)
    call = served.model.complete("fast", ask, FEW, ME, Listener() if streams else None)
    if served.can.schemas:
        assert json.loads((await call).content)["colour"] in {"red", "green", "blue"}
    else:
        with pytest.raises(NotConfigured, match="json_schema"):
            await call


@STREAMS
async def test_a_tool_that_must_be_called_is_called_with_arguments_of_its_schema(
    served: Served, *, streams: bool
) -> None:
    ask = Prompt([Message("user", "What is 17*23+5?")], tools=[CALCULATOR], tool_choice=ANY_TOOL)
    listener = Listener()
    call = served.model.complete("fast", ask, TO_A_CALL, ME, listener if streams else None)
    if not served.can.tools:
        with pytest.raises(NotConfigured, match="tools"):
            await call
        return
    completion = await call
    (call,) = completion.tool_calls
    assert (call.name, list(json.loads(call.arguments))) == ("calculator", ["expression"])
    assert len(json.loads(call.arguments)["expression"]) <= 40, "its schema says so"
    assert completion.finish_reason == "tool_calls"
    assert completion.content == listener.text == ""
    assert bool(listener.counts) == streams, "who waits hears that it lives"


@pytest.mark.parametrize("question", ["What is 17*23+5?", "Look up the word harbour."])
@STREAMS
async def test_the_tool_that_is_due_is_called_whatever_was_asked(
    served: Served, question: str, *, streams: bool
) -> None:
    """Each tool is forced once for the same question: one of them is not the model's own choice."""
    for due, arguments in (("look_up", ["word"]), ("calculator", ["expression"])):
        ask = Prompt([Message("user", question)], tools=[CALCULATOR, LOOK_UP], tool_choice=due)
        call = served.model.complete("fast", ask, TO_A_CALL, ME, Listener() if streams else None)
        if not served.can.tools:
            with pytest.raises(NotConfigured, match="tools"):
                await call
            continue
        (call,) = (await call).tool_calls
        assert (call.name, list(json.loads(call.arguments))) == (due, arguments)


async def test_a_tool_call_cut_by_the_limit_is_neither_text_nor_a_call(served: Served) -> None:
    ask = Prompt([Message("user", "What is 17*23+5?")], tools=[CALCULATOR], tool_choice=ANY_TOOL)
    listener = Listener()
    for streamed_to in (None, listener):
        call = served.model.complete("fast", ask, Sampling(max_output_tokens=9), ME, streamed_to)
        if not served.can.tools:
            with pytest.raises(NotConfigured, match="tools"):
                await call
            continue
        completion = await call
        assert (completion.tool_calls, completion.finish_reason) == ((), "length")
    assert "<tool_call>" not in listener.text


async def test_a_conversation_with_a_tools_result_goes_on(served: Served) -> None:
    question = Message("user", "What is 17*23+5?")
    call = served.model.complete("fast", Prompt([question], tools=[CALCULATOR], tool_choice=ANY_TOOL), TO_A_CALL, ME)
    if not served.can.tools:
        with pytest.raises(NotConfigured, match="tools"):
            await call
        return
    call = (await call).tool_calls[0]
    turns = [question, Message("assistant", "", tool_calls=(call,)), Message("tool", "396", tool_call_id=call.id)]
    schema = {"type": "object", "properties": {"result": {"type": "integer"}}, "required": ["result"]}
    listener = Listener()
    completion = await served.model.complete(
        "fast", Prompt(turns, tools=[CALCULATOR], schema=schema), FEW, ME, listener
    )
    if not completion.tool_calls and completion.finish_reason == "stop":  # small models choose either
        assert json.loads(completion.content) == {"result": json.loads(completion.content)["result"]}
    assert listener.text == completion.content


async def test_a_repeated_beginning_comes_from_the_cache(served: Served) -> None:
    beginning = Message("system", "These are the rules of the harbour. " * 30)
    first = await served.model.complete("fast", Prompt([beginning, Message("user", "One?")]), Sampling(4), ME)
    second = await served.model.complete("fast", Prompt([beginning, Message("user", "Two?")]), Sampling(4), ME)
    if served.can.caches:
        assert second.usage.cached_tokens > first.usage.cached_tokens
        assert second.usage.cached_tokens > 200
        assert second.usage.cached_tokens < (second.usage.input_tokens or 0)
    else:
        assert second.usage.cached_tokens == first.usage.cached_tokens


@STREAMS
async def test_a_cancelled_call_frees_its_place_on_the_server(served: Served, *, streams: bool) -> None:
    endless = Prompt([Message("user", "Count from one to a thousand in words.")])
    listener = Listener()
    served.endless()
    call = asyncio.create_task(
        served.model.complete("fast", endless, Sampling(1500), ME, listener if streams else None)
    )

    async def busy() -> bool:
        return await served.running() > 0

    async def idle() -> bool:
        return not await busy()

    await until(busy, what="the server works on it")
    if streams:
        await until(lambda: bool(listener.text), what="it speaks")
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await until(idle, what="the server is free again", seconds=5)
    again: Completion = await asyncio.wait_for(served.model.complete("fast", ASK, Sampling(2), ME), 60)
    assert again.content


async def test_every_caller_is_served_whatever_its_priority(served: Served) -> None:
    callers = [Caller("acme", "run-1", 1), Caller("other", "run-2", 5), Caller("acme", "run-3")]
    replies = await asyncio.gather(
        *(served.model.complete("fast", ASK, Sampling(2), caller, Listener()) for caller in callers)
    )
    assert all(reply.content for reply in replies)
