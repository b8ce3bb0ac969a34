"""The platform on the real SGLang: the chain, what a cancelled call leaves behind, and the router with failover."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr
from temporalio.client import Client

from activities.adapters.model_servers.http_model_servers import HttpModelServers
from activities.adapters.models.litellm_model import LiteLLMModel
from activities.ports import Caller, Completion, Message, ModelRefused, ModelUnusable, PortError, Prompt, Sampling
from activities.settings import Model, Paths, Settings, Telemetry
from perdure.client import Platform, workflow_id
from perdure.contracts.runs.run import Answered
from tests.ports.models.model_cases import ASK, ME, STREAMS, Listener, catalogue
from tests.replay import record
from tests.replay.histories import decisions, outcomes, read
from tests.services.sglang_server import SGLangServer, router
from tests.services.sglang_server import sglang_server as start
from tests.support.waiting import until
from worker import Adapters, WorkerRole, workers

pytestmark = [pytest.mark.sglang, pytest.mark.timeout(900)]

CATALOGUE = """
[tiers]
fast = ["sglang"]
strong = ["sglang"]

[deployments.sglang]
model = "{model}"
answers_as = "{model}"
provider = "sglang"
endpoint = "{endpoint}"
api_key = "user"
admin_key = "admin"
context_window = 8192
concurrency = 4
capabilities = {{ tools = "native", json_schema = true, logprobs = true, adapters = true }}
prices = {{ input = 20_000, output = 60_000 }}
"""

LONG = Prompt(
    [Message("user", "Fill in the form.")],
    schema={
        "type": "object",
        "properties": {f"answer_{number}": {"type": "boolean"} for number in range(300)},
        "required": [f"answer_{number}" for number in range(300)],
        "additionalProperties": False,
    },
)
"""What takes thousands of tokens to answer: small models end a long story when they like."""


def keys(server: SGLangServer) -> dict[str, SecretStr]:
    return {"user": SecretStr(server.api_key), "admin": SecretStr(server.admin_key)}


@pytest.fixture
def model(sglang_server: SGLangServer, tmp_path: Path) -> LiteLLMModel:
    return model_at(tmp_path, sglang_server, sglang_server.endpoint)


def model_at(folder: Path, server: SGLangServer, endpoint: str, **extra: str) -> LiteLLMModel:
    lines = {"model": server.model, "provider": '"sglang"', "api_key": '"user"', "admin_key": '"admin"'}
    lines |= {"capabilities": "{ json_schema = true, adapters = true }", **extra}
    return LiteLLMModel(catalogue(folder, endpoint, **lines), timeout_seconds=120, api_keys=keys(server))


# The chain.


@pytest_asyncio.fixture(loop_scope="session")
async def on_sglang(
    client: Client, state: Path, sglang_server: SGLangServer, tmp_path: Path
) -> AsyncIterator[Settings]:
    """The platform's own workers in this process, over SGLang."""
    file = tmp_path / "sglang.toml"
    file.write_text(CATALOGUE.format(model=sglang_server.model, endpoint=sglang_server.endpoint))
    settings = Settings(
        paths=Paths(state=state, catalogue=file),
        model=Model(api_keys=keys(sglang_server)),
        telemetry=Telemetry(traces=False),
    )
    async with AsyncExitStack() as stack:
        parts = await Adapters.open(settings, stack)
        for worker in workers(client, settings, parts, list(WorkerRole)):
            await stack.enter_async_context(worker)
        yield settings


@pytest.mark.usefixtures("on_sglang")
async def test_a_run_on_sglang_has_the_shape_of_the_recorded_one(client: Client, sglang_server: SGLangServer) -> None:
    platform = Platform(client)
    run = await platform.start("How many weeks of parental leave are paid in full?", business_id=str(uuid.uuid4()))
    result = await asyncio.wait_for(platform.result(run), 600)
    assert isinstance(result.outcome, Answered)
    assert result.deployment == "sglang"
    assert result.spent.output_tokens > 0
    assert sglang_server.running() == 0
    fresh = await client.get_workflow_handle(workflow_id("default", run)).fetch_history()
    before = read(record.FOLDER / "answered-with-an-older-edition.json")
    assert decisions(fresh) == decisions(before)
    assert outcomes(fresh) == outcomes(before)


# What a cancelled call leaves behind.


@STREAMS
async def test_a_cancelled_call_is_aborted_by_the_servers_own_account(
    model: LiteLLMModel, sglang_server: SGLangServer, *, streams: bool
) -> None:
    aborted = sglang_server.counted("num_aborted_requests_total")
    listener = Listener()
    call = asyncio.create_task(model.complete("fast", LONG, Sampling(2000), ME, listener if streams else None))
    await until(lambda: sglang_server.running() == 1, what="the server works on it", every=0.1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    # By its closed connection alone, a reply that comes whole would be worked on for four to five seconds more.
    await until(lambda: sglang_server.running() == 0, what="the server is free", seconds=3, every=0.1)
    await until(lambda: sglang_server.counted("num_aborted_requests_total") > aborted, what="it counts it", seconds=10)


async def test_a_cancelled_call_stops_no_other(model: LiteLLMModel, sglang_server: SGLangServer) -> None:
    """SGLang aborts all requests whose name begins with the one it is given: `run-1` would stop `run-10` too."""
    first, tenth = (Caller("acme", f"run-{number}") for number in (1, 10))
    listener = Listener()
    other = asyncio.create_task(model.complete("fast", LONG, Sampling(48), tenth, listener))
    call = asyncio.create_task(model.complete("fast", LONG, Sampling(2000), first))
    await until(lambda: sglang_server.running() == 2, what="the server works on both", every=0.1)
    call.cancel()
    assert (await other).finish_reason == "length", "it was not stopped"


# Who is served, and by what.


async def test_tenants_share_no_cached_beginning(model: LiteLLMModel) -> None:
    beginning = Message("system", f"These are the rules of the harbour, {uuid.uuid4()}. " * 12)

    async def cached(tenant: str, question: str) -> int:
        prompt = Prompt([beginning, Message("user", question)])
        return (await model.complete("fast", prompt, Sampling(2), Caller(tenant, "run"))).usage.cached_tokens

    assert await cached("acme", "One?") < 50
    assert await cached("acme", "Two?") > 100
    assert await cached("other", "Three?") < 50, "another tenant would see by the clock what this one asks"


async def test_who_is_urgent_is_served_before_who_waited_longer(
    model: LiteLLMModel, sglang_server: SGLangServer
) -> None:
    ended: list[str] = []

    async def ask(name: str, priority: int, tokens: int) -> None:
        await model.complete("fast", LONG, Sampling(tokens), Caller("acme", name, priority))
        ended.append(name)

    busy = [asyncio.create_task(ask(f"busy-{number}", 3, 64)) for number in range(4)]
    await until(lambda: sglang_server.running() == 4, what="every place is taken", every=0.1)
    patient = [asyncio.create_task(ask(f"patient-{number}", 5, 24)) for number in range(4)]
    await until(lambda: sglang_server.running() == 8, what="they wait", every=0.1)
    urgent = asyncio.create_task(ask("urgent", 1, 1))
    await asyncio.gather(*busy, *patient, urgent)
    assert ended.index("urgent") < min(ended.index(f"patient-{number}") for number in range(4))
    assert len(ended) == 9, "nobody was thrown out for it"


async def test_a_model_that_it_does_not_serve_is_never_asked_for(tmp_path: Path, sglang_server: SGLangServer) -> None:
    wrong = model_at(tmp_path, sglang_server, sglang_server.endpoint, model="another")
    asked = sglang_server.counted("num_requests_total")
    with pytest.raises(ModelUnusable, match=f"its server serves '{sglang_server.model}', not 'another'") as stopped:
        await wrong.complete("fast", ASK, Sampling(2), ME)
    assert stopped.value.free_of_charge
    assert sglang_server.counted("num_requests_total") == asked


async def test_its_operators_see_how_it_is(model: LiteLLMModel, tmp_path: Path, sglang_server: SGLangServer) -> None:
    lines = {"model": sglang_server.model, "provider": '"sglang"', "api_key": '"user"', "admin_key": '"admin"'}
    listed = catalogue(tmp_path, sglang_server.endpoint, **lines, capabilities="{ adapters = true }")
    servers = HttpModelServers(listed, api_keys=keys(sglang_server))
    health = await servers.health("fast")
    assert (health.ready, health.reason, health.models) == (True, "", (sglang_server.model,))
    call = asyncio.create_task(model.complete("fast", LONG, Sampling(2000), ME))
    await until(lambda: sglang_server.running() == 1, what="the server works", every=0.1)
    load = await servers.load("fast")
    assert (load.running, load.waiting) == (1, 0)
    assert load.cache_hit_rate is not None
    assert 0 < load.cache_hit_rate < 1
    assert load.aborted is not None
    call.cancel()
    with pytest.raises(ModelRefused, match=r"did not load the adapter 'legal'.*--enable-lora") as stopped:
        await servers.load_adapter("fast", "legal", "/nowhere/legal")
    assert "nowhere" not in str(stopped.value)


# Behind its router. The second server is one more SGLang: 3 GB for as long as these tests run.


@pytest.fixture(scope="module")
def second(sglang_server: SGLangServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SGLangServer]:
    keys = sglang_server.api_key, sglang_server.admin_key
    with start(tmp_path_factory.mktemp("second"), keys=keys) as server:
        yield server


async def test_behind_its_router_calls_go_on_when_a_server_dies(
    sglang_server: SGLangServer, second: SGLangServer, tmp_path: Path
) -> None:
    with router(tmp_path, [sglang_server, second]) as root:
        model = model_at(tmp_path, sglang_server, f"{root}/v1")
        await until(lambda: healthy(root, sglang_server) == 2, what="the router knows both", every=0.2)

        async def ask(number: int) -> Completion:
            prompt = Prompt([Message("user", f"{uuid.uuid4()}: say something about the sea.")])
            return await model.complete("fast", prompt, Sampling(4), Caller("acme", f"run-{number}"))

        asked = [server.counted("num_requests_total") for server in (sglang_server, second)]
        await asyncio.gather(*(ask(number) for number in range(8)))
        after = [server.counted("num_requests_total") for server in (sglang_server, second)]
        assert sum(after) - sum(asked) == 8, "each call is made once"
        assert all(now > before for now, before in zip(after, asked, strict=True)), "both are used"

        lines = {"model": sglang_server.model, "provider": '"sglang"', "api_key": '"user"'}
        seen = HttpModelServers(catalogue(tmp_path, f"{root}/v1", **lines), api_keys=keys(sglang_server))
        assert (await seen.health("fast")).ready

        async def at_rest() -> bool:
            return (await seen.load("fast")).running == 0

        # Told when a batch begins, and anew once the server has been idle for half a minute.
        await until(at_rest, what="no call is said to run any more", seconds=120, every=0.5)

        second.part.kill()
        answered = 0
        refused: list[PortError] = []
        for number in range(8):
            try:
                answered += bool((await ask(number)).content)
            except PortError as error:
                refused.append(error)
        assert answered >= 6, f"the workflow tries what failed again: {refused}"
        await until(lambda: healthy(root, sglang_server) == 1, what="the router has seen it", every=0.2)
        assert all([(await ask(number)).content for number in range(4)])

        wrong = model_at(tmp_path, sglang_server, f"{root}/v1", model="another")
        with pytest.raises(ModelUnusable, match="not 'another'"):
            await wrong.complete("fast", ASK, Sampling(2), ME)


def healthy(root: str, server: SGLangServer) -> int:
    """How many servers the router may send to."""
    headers = {"Authorization": f"Bearer {server.api_key}"}
    workers = httpx.get(f"{root}/workers", headers=headers, timeout=10, trust_env=False).json()["workers"]
    return sum(bool(worker.get("is_healthy")) for worker in workers)
