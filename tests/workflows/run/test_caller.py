"""What a request tells the model server about its caller: the priority and ids of the run."""

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.common import Priority

from activities.settings import Model, Paths, Settings, Telemetry
from perdure.contracts.runs.run import AskRequest, RunResult
from tests.support.servers.stub_sglang import SERVED, StubSGLang
from worker import Adapters, WorkerRole, workers

CATALOGUE = """
[tiers]
fast = ["sglang"]
strong = ["sglang"]

[deployments.sglang]
model = "{model}"
provider = "sglang"
endpoint = "{endpoint}"
context_window = 8192
concurrency = 4
capabilities = {{ tools = "native", json_schema = true }}
prices = {{ input = 1, output = 1 }}
"""


@pytest.fixture
def sglang_stub() -> Iterator[StubSGLang]:
    with StubSGLang() as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def queue(client: Client, state: Path, sglang_stub: StubSGLang, tmp_path: Path) -> AsyncIterator[str]:
    """Start workers over a stub of SGLang and return their task queue."""
    file = tmp_path / "sglang.toml"
    file.write_text(CATALOGUE.format(model=SERVED, endpoint=sglang_stub.url))
    settings = Settings(paths=Paths(state=state, catalogue=file), model=Model(), telemetry=Telemetry(traces=False))
    async with AsyncExitStack() as stack:
        parts = await Adapters.open(settings, stack)
        for worker in workers(client, settings, parts, list(WorkerRole)):
            await stack.enter_async_context(worker)
        yield "perdure"


@pytest.mark.parametrize(("key", "sent"), [(None, 4), (1, 8), (5, 0)])
async def test_a_runs_priority_and_ids_reach_the_server_and_its_tenants_name_does_not(
    key: int | None, sent: int, client: Client, queue: str, sglang_stub: StubSGLang
) -> None:
    ask = AskRequest.strictly({"question": "How many weeks of parental leave are paid in full?"})
    started = await client.start_workflow(
        "chain",
        ask,
        id=f"default:caller-{uuid.uuid4()}",
        task_queue=queue,
        result_type=RunResult,
        priority=Priority(priority_key=key),
    )
    assert (await started.result()).outcome.kind == "answered"
    (request,) = sglang_stub.requests
    assert request["priority"] == sent
    assert request["rid"].startswith(f"{started.first_execution_run_id}-generate")
    assert len(request["cache_salt"]) == 32
    assert "default" not in (request["rid"], request["cache_salt"])
