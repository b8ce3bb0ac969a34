"""What every model port does, whatever server answers: the suite runs against each deployment that there is.

SGLang joins by one more parameter of `served`: its endpoint, the model's name there, and what it can do.
"""

import asyncio
import json
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from activities.adapters.litellm_model import LiteLLMModel
from activities.ports import Completion, Message, Prompt, Sampling
from activities.settings import ROOT
from deploy.local import model_server
from deploy.local.model_server import Serving
from deploy.local.ports import free_ports
from deploy.local.weights import fetch
from tests.contracts.ports.model_cases import ASK, CALCULATOR, COLOUR, FEW, Listener, model_for
from tests.deploy.waiting import wait_until
from tests.support.stub_model import StubModel
from tests.support.waiting import until


@dataclass(frozen=True)
class Served:
    """A deployment that the suite runs against."""

    model: LiteLLMModel
    root: str
    """Its server's address, without `/v1`."""
    real: bool
    """Whether a model answers."""


@contextmanager
def llama_cpp(folder: Path) -> Generator[Served]:
    (port,) = free_ports(1)
    name = "qwen2.5-coder-0.5b-instruct"
    serving = Serving(fetch("qwen2.5-coder-0.5b"), name=name, port=port, threads=1, context=2048, parallel=1)
    log = folder / "log"
    with (
        log.open("w") as out,
        subprocess.Popen(model_server.command(serving), cwd=ROOT, stdout=out, stderr=out) as process,
    ):
        try:
            root = f"http://127.0.0.1:{port}"
            wait_until(lambda: ready(root) or process.poll() is not None, what="the model server answers", seconds=60)
            assert process.poll() is None, log.read_text()
            able = '{ tools = "schema", json_schema = true, logprobs = true }'
            yield Served(
                model_for(folder, f"{root}/v1", model=name, answers_as=f'"{name}"', capabilities=able), root, real=True
            )
        finally:
            process.terminate()
            process.wait(timeout=15)


@contextmanager
def stubbed(folder: Path) -> Generator[Served]:
    with StubModel(0) as stub:
        stub.script = []
        yield Served(model_for(folder, stub.url), stub.url.removesuffix("/v1"), real=False)


def ready(root: str) -> bool:
    try:
        return httpx.get(f"{root}/health", trust_env=False).is_success
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="module", params=[stubbed, llama_cpp])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    with request.param(tmp_path_factory.mktemp("model")) as what:
        yield what


@pytest.fixture
def real(served: Served) -> Served:
    if not served.real:
        pytest.skip("the stub has no mind of its own")
    return served


async def test_a_reply_comes_with_its_usage_its_model_and_why_it_ended(served: Served) -> None:
    completion = await served.model.complete("fast", ASK, FEW)
    assert completion.content
    assert completion.usage.input_tokens > 0
    assert completion.usage.output_tokens > 0
    assert completion.model in {"stub", "qwen2.5-coder-0.5b-instruct"}
    assert completion.finish_reason in {"stop", "length"}
    assert completion.first_token_ms is None


async def test_streamed_pieces_join_to_the_content(served: Served) -> None:
    listener = Listener()
    completion = await served.model.complete("fast", ASK, FEW, listener)
    assert listener.text == completion.content
    assert len([piece for piece, _ in listener.heard if piece]) > 1
    assert completion.first_token_ms is not None
    assert completion.first_token_ms > 0


async def test_a_streamed_reply_is_the_one_that_comes_whole(served: Served) -> None:
    whole = await served.model.complete("fast", ASK, FEW)
    streamed = await served.model.complete("fast", ASK, FEW, Listener())
    assert (streamed.content, streamed.finish_reason, streamed.model, streamed.usage.output_tokens) == (
        *(whole.content, whole.finish_reason, whole.model, whole.usage.output_tokens),
    )


async def test_usage_is_told_on_the_way_and_grows_to_the_final_one(served: Served) -> None:
    listener = Listener()
    completion = await served.model.complete("fast", ASK, FEW, listener)
    assert listener.counts == sorted(listener.counts)
    assert listener.counts[0] < completion.usage.output_tokens
    assert {usage.input_tokens for _, usage in listener.heard if usage} == {completion.usage.input_tokens}


@pytest.mark.parametrize("streams", [False, True])
async def test_log_probabilities_are_reported_for_each_token(served: Served, *, streams: bool) -> None:
    asked = Sampling(max_output_tokens=8, logprobs=2)
    completion = await served.model.complete("fast", ASK, asked, Listener() if streams else None)
    assert completion.logprobs
    assert all(entry.logprob <= 0 and len(entry.top) == 2 for entry in completion.logprobs)
    if served.real:
        assert "".join(entry.token for entry in completion.logprobs) == completion.content
        assert all(entry.logprob == entry.top[0][1] for entry in completion.logprobs), "temperature 0 takes the best"


async def test_a_reply_cut_by_its_limit_says_so(real: Served) -> None:
    completion = await real.model.complete("fast", ASK, Sampling(max_output_tokens=3))
    assert completion.finish_reason == "length"
    assert completion.usage.output_tokens == 3


async def test_the_same_seed_draws_the_same_reply(real: Served) -> None:
    hot = Sampling(max_output_tokens=16, temperature=1.5, seed=11)
    one, same = [await real.model.complete("fast", ASK, hot) for _ in range(2)]
    other = await real.model.complete("fast", ASK, Sampling(max_output_tokens=16, temperature=1.5, seed=12))
    assert one.content == same.content
    assert one.content != other.content


@pytest.mark.parametrize("streams", [False, True])
async def test_a_reply_holds_to_its_schema(real: Served, *, streams: bool) -> None:
    ask = Prompt([Message("user", "Name a colour.")], schema=COLOUR)
    completion = await real.model.complete("fast", ask, FEW, Listener() if streams else None)
    assert json.loads(completion.content)["colour"] in {"red", "green", "blue"}


async def test_a_tool_that_must_be_called_is_called_with_arguments_of_its_schema(real: Served) -> None:
    ask = Prompt([Message("user", "What is 17*23+5?")], tools=[CALCULATOR], tool_required=True)
    listener = Listener()
    completion = await real.model.complete("fast", ask, FEW, listener)
    (call,) = completion.tool_calls
    assert (call.name, list(json.loads(call.arguments))) == ("calculator", ["expression"])
    assert completion.finish_reason == "tool_calls"
    assert completion.content == listener.text == ""
    assert listener.counts, "who waits hears that it lives"


async def test_a_conversation_with_a_tools_result_goes_on(real: Served) -> None:
    question = Message("user", "What is 17*23+5?")
    first = await real.model.complete("fast", Prompt([question], tools=[CALCULATOR], tool_required=True), FEW)
    call = first.tool_calls[0]
    told = [question, Message("assistant", "", tool_calls=(call,)), Message("tool", "396", tool_call_id=call.id)]
    schema = {"type": "object", "properties": {"result": {"type": "integer"}}, "required": ["result"]}
    listener = Listener()
    completion = await real.model.complete("fast", Prompt(told, tools=[CALCULATOR], schema=schema), FEW, listener)
    if not completion.tool_calls:  # small models choose either; both hold to their schema
        assert json.loads(completion.content) == {"result": json.loads(completion.content)["result"]}
    assert listener.text == completion.content


async def test_a_repeated_beginning_comes_from_the_cache(real: Served) -> None:
    beginning = Message("system", "These are the rules of the harbour. " * 30)
    first = await real.model.complete("fast", Prompt([beginning, Message("user", "One?")]), Sampling(4))
    second = await real.model.complete("fast", Prompt([beginning, Message("user", "Two?")]), Sampling(4))
    assert second.usage.cached_tokens > first.usage.cached_tokens
    assert second.usage.cached_tokens > 200
    assert second.usage.cached_tokens < second.usage.input_tokens


@pytest.mark.parametrize("streams", [False, True])
async def test_a_cancelled_call_frees_its_place_on_the_server(real: Served, *, streams: bool) -> None:
    endless = Prompt([Message("user", "Count from one to a thousand in words.")])
    listener = Listener()
    call = asyncio.create_task(
        real.model.complete("fast", endless, Sampling(max_output_tokens=1500), listener if streams else None)
    )
    async with httpx.AsyncClient(trust_env=False) as client:

        async def busy() -> bool:
            slots = (await client.get(f"{real.root}/slots")).json()
            return any(slot["is_processing"] for slot in slots)

        while not await busy():  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.02)
        if streams:
            await until(lambda: bool(listener.text), what="it speaks")
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        async with asyncio.timeout(5):
            while await busy():  # noqa: ASYNC110 - the server tells nobody
                await asyncio.sleep(0.02)
    again: Completion = await asyncio.wait_for(real.model.complete("fast", ASK, Sampling(2)), 20)
    assert again.content
