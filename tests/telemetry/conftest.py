"""The platform's workers with tracing on; their spans stay in memory."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from temporalio.client import Client
from temporalio.contrib.opentelemetry import OpenTelemetryPlugin, ReplaySafeTracerProvider
from temporalio.worker import Worker

from activities.adapters.telemetry import record_spans
from activities.interceptors.every_effect import EffectInterceptor
from activities.settings import Settings
from perdure.client import Platform
from perdure.contracts.temporal.queues import Queue
from tests.telemetry.spans import Recorded
from worker import Adapters, WorkerRole, workers
from workflows.plugin import WORKFLOWS, PerdurePlugin


@pytest.fixture(scope="session")
def exporter() -> InMemorySpanExporter:
    """The exporter of every span of this process: OpenTelemetry lets a process choose once."""
    exporter = InMemorySpanExporter()
    record_spans(Settings(), exporter)
    return exporter


@pytest.fixture
def recorded(exporter: InMemorySpanExporter) -> Recorded:
    """The spans of one test."""
    provider = trace.get_tracer_provider()
    assert isinstance(provider, ReplaySafeTracerProvider)
    flush: Callable[[], bool] = provider.force_flush

    def spans() -> list[ReadableSpan]:
        assert flush()
        return list(exporter.get_finished_spans())

    spans()
    exporter.clear()
    return Recorded(spans)


@pytest_asyncio.fixture(loop_scope="session")
async def traced_client(
    client: Client,
    exporter: InMemorySpanExporter,  # noqa: ARG001 - the plugin asks for its provider
) -> Client:
    """A client with tracing, as a worker connects."""
    plugins = [PerdurePlugin(), OpenTelemetryPlugin(add_temporal_spans=True)]
    return await Client.connect(client.service_client.config.target_host, plugins=plugins)


@pytest.fixture
def traced_platform(traced_client: Client) -> Platform:
    return Platform(traced_client)


async def end_all_runs(client: Client) -> None:
    """End the runs that earlier tests left: the traced workers would go on with them, and their spans would count."""
    async for run in client.list_workflows('ExecutionStatus = "Running"'):
        await client.get_workflow_handle(run.id, run_id=run.run_id).terminate("left by an earlier test")


@pytest_asyncio.fixture(loop_scope="session", params=["as composed", "replaying at every task"])
async def tracing(request: pytest.FixtureRequest, traced_client: Client, settings: Settings) -> AsyncIterator[Settings]:
    """The platform's own workers in this process, in all roles, traced, over the stub model.

    First as `worker.py` composes them, then with one that forgets a run after each task and replays it at the next.
    """
    await end_all_runs(traced_client)
    async with AsyncExitStack() as stack:
        parts = await Adapters.open(settings, stack)
        roles = list(WorkerRole)
        if request.param == "replaying at every task":
            roles = [WorkerRole.GENERATION]
            await stack.enter_async_context(
                Worker(
                    traced_client,
                    task_queue=Queue.PLATFORM,
                    workflows=WORKFLOWS,
                    activities=[*parts.routing(), *parts.retrieval(), *parts.guards()],
                    interceptors=[EffectInterceptor()],
                    max_cached_workflows=0,
                )
            )
        for worker in workers(traced_client, settings, parts, roles):
            await stack.enter_async_context(worker)
        yield settings
