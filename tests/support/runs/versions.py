"""Workers of several versions in one process, on their own server, and which version did which part of a run."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from activities.adapters.temporal.worker_versions import make_current
from activities.composition import Adapters, WorkerRole
from activities.settings import Settings, Work
from perdure.client import Platform, workflow_id
from perdure.contracts.temporal.search_attributes import SEARCH_ATTRIBUTES
from tests.support.servers.temporal import TEMPORAL
from worker import workers
from workflows.plugin import PerdurePlugin

DEPLOYMENT = "perdure"


@asynccontextmanager
async def own_server(*more: str) -> AsyncGenerator[Client]:
    """Start a server for one test, with more flags: the current version of a queue counts for everybody who uses it."""
    async with await WorkflowEnvironment.start_local(
        plugins=[PerdurePlugin()],
        search_attributes=SEARCH_ATTRIBUTES,
        dev_server_existing_path=str(TEMPORAL),
        dev_server_extra_args=more,
        dev_server_log_level="error",
    ) as environment:
        yield environment.client


def address_of(client: Client) -> str:
    """Return the address of the server."""
    return client.service_client.config.target_host


async def connection(client: Client, name: str) -> Client:
    """Return a new connection: workers of one queue in one process each need one. The history shows its name."""
    return await Client.connect(address_of(client), plugins=[PerdurePlugin()], identity=name)


def of_version(settings: Settings, build: str) -> Settings:
    """Return the settings of a worker of this version."""
    return settings.model_copy(update={"work": Work(deployment=DEPLOYMENT, build=build)})


@asynccontextmanager
async def serving(
    client: Client, settings: Settings, build: str | None, roles: Sequence[WorkerRole] = tuple(WorkerRole)
) -> AsyncGenerator[None]:
    """Run the workers of a version; None for workers without one."""
    settings = settings if build is None else of_version(settings, build)
    async with AsyncExitStack() as stack:
        parts = await Adapters.open(settings, stack)
        for worker in workers(await connection(client, build or "plain"), settings, parts, roles):
            await stack.enter_async_context(worker)
        yield


async def use(client: Client, build: str) -> None:
    """Make a version current."""
    await make_current(client, DEPLOYMENT, build)


async def builds_of(client: Client, run: str) -> list[str]:
    """Return the versions that took a run's workflow tasks, each once, in order; an empty name for none."""
    builds = [
        event.workflow_task_completed_event_attributes.deployment_version.build_id
        for history in await Platform(client).executions(run)
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    ]
    return list(dict.fromkeys(builds))


async def asked_for(client: Client, run: str, effect: str) -> bool:
    """Return whether a run has asked for an effect."""
    history = await client.get_workflow_handle(workflow_id("default", run)).fetch_history()
    return any(event.activity_task_scheduled_event_attributes.activity_type.name == effect for event in history.events)


async def doers_of(client: Client, run: str, effect: str) -> set[str]:
    """Return the names of the connections whose workers began an effect of a run."""
    history = await client.get_workflow_handle(workflow_id("default", run)).fetch_history()
    scheduled = {
        event.event_id
        for event in history.events
        if event.activity_task_scheduled_event_attributes.activity_type.name == effect
    }
    return {
        event.activity_task_started_event_attributes.identity
        for event in history.events
        if event.activity_task_started_event_attributes.scheduled_event_id in scheduled
    }
