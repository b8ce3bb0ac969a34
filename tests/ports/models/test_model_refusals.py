"""The model port and an error status, a prompt that a deployment cannot serve, and API keys."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from activities.adapters.models.litellm_model import LiteLLMModel
from activities.ports import (
    CircuitOpen,
    ModelFailed,
    ModelOverloaded,
    ModelRefused,
    ModelUnusable,
    NotConfigured,
    PortError,
    Prompt,
    Sampling,
)
from tests.ports.models.model_cases import (
    ASK,
    CALCULATOR,
    COLOUR,
    FEW,
    ME,
    STREAMS,
    Listener,
    catalogue,
    failure_of,
    model_for,
)
from tests.support.servers.stub_model import StubModel


@pytest.fixture
def model(tmp_path: Path, stub: StubModel) -> LiteLLMModel:
    return model_for(tmp_path, stub.url)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ModelRefused),
        (401, ModelUnusable),
        (403, ModelUnusable),
        (404, ModelUnusable),
        (408, ModelFailed),
        (409, ModelOverloaded),
        (413, ModelRefused),
        (422, ModelRefused),
        (425, ModelOverloaded),
        (429, ModelOverloaded),
        (307, ModelUnusable),
        (500, ModelFailed),
        (502, ModelFailed),
        (503, ModelOverloaded),
        (504, ModelFailed),
        (529, ModelFailed),
    ],
)
@STREAMS
async def test_a_status_becomes_the_error_that_says_what_helps(
    status: int, kind: type[PortError], model: LiteLLMModel, stub: StubModel, *, streams: bool
) -> None:
    raw = "in somebody's server.py: the prompt was 'sea'"
    stub.script = [
        {"status": status, "headers": {"Retry-After": "7", "Location": "/"}, "body": {"error": {"message": raw}}}
    ]
    error = await failure_of(model, streams=streams)
    assert type(error) is kind
    assert "somebody" not in str(error)
    assert stub.calls == 1, "nothing is sent twice"
    if kind in (ModelFailed, ModelOverloaded):
        assert error.retry_after == timedelta(seconds=7)


async def test_a_router_without_workers_is_an_open_circuit(model: LiteLLMModel, stub: StubModel) -> None:
    stub.script = [{"status": 503, "body": {"error": {"code": "no_available_workers", "message": "none"}}}]
    assert isinstance(await failure_of(model, streams=False), CircuitOpen)


@STREAMS
async def test_a_prompt_that_does_not_fit_is_refused_in_one_way_whatever_the_status_and_the_wrapping(
    model: LiteLLMModel, stub: StubModel, *, streams: bool
) -> None:
    exceeded = {"error": {"message": "Context size has been exceeded.", "code": 500, "type": "server_error"}}
    stub.script = [{"status": status, "body": exceeded} for status in (400, 500)]
    stub.script += [{"sse": [json.dumps(exceeded)]} if streams else {"status": 200, "body": exceeded}]
    errors = [await failure_of(model, streams=streams) for _ in range(3)]
    assert [type(error) for error in errors] == [ModelRefused] * 3
    assert len({str(error) for error in errors}) == 1
    assert all(error.final for error in errors)


@pytest.mark.parametrize(
    ("capabilities", "call", "lacking"),
    [
        ("{ json_schema = true }", (Prompt(ASK.messages, tools=[CALCULATOR]), FEW), "tools"),
        ('{ tools = "native" }', (Prompt(ASK.messages, schema=COLOUR), FEW), "json_schema"),
        ("{ json_schema = true }", (ASK, Sampling(8, logprobs=1)), "logprobs"),
    ],
)
async def test_what_a_deployment_lacks_is_refused_before_anything_is_sent(
    capabilities: str, call: tuple[Prompt, Sampling], lacking: str, tmp_path: Path, stub: StubModel
) -> None:
    model = model_for(tmp_path, stub.url, capabilities=capabilities)
    prompt, sampling = call
    with pytest.raises(NotConfigured, match=f"'fast' lacks what the prompt asks for, {lacking}"):
        await model.complete("fast", prompt, sampling, ME)
    assert stub.calls == 0


async def test_a_key_that_is_not_set_is_named(tmp_path: Path, stub: StubModel) -> None:
    model = model_for(tmp_path, stub.url, api_key='"cloud"')
    with pytest.raises(NotConfigured, match=r"""needs the key 'cloud'.*PERDURE_MODEL__API_KEYS='\{"cloud": "..."\}'"""):
        await model.complete("fast", ASK, FEW, ME)
    assert stub.calls == 0


@pytest.mark.parametrize("provider", ["hosted_vllm", "openai"])
async def test_a_key_is_sent_and_never_told(provider: str, tmp_path: Path, stub: StubModel) -> None:
    models = catalogue(tmp_path, stub.url, api_key='"cloud"', provider=f'"{provider}"')
    model = LiteLLMModel(models, timeout_seconds=30, api_keys={"cloud": SecretStr("sk-very-secret")})
    stub.script = ["answer", "answer", {"status": 401, "body": {"error": {"message": "sk-very-secret is wrong"}}}]
    listener = Listener()
    whole, streamed = await model.complete("fast", ASK, FEW, ME), await model.complete("fast", ASK, FEW, ME, listener)
    assert whole.content == streamed.content == listener.text
    assert stub.keys == ["Bearer sk-very-secret"] * 2
    assert "secret" not in str(await failure_of(model, streams=False))
