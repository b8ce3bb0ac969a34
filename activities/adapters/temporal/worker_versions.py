"""The versions of workers in Temporal: which one begins new runs, and which ones still have open runs."""

import asyncio
import hashlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from temporalio.api.deployment.v1 import WorkerDeploymentInfo
from temporalio.api.enums.v1 import RoutingConfigUpdateState, TaskQueueType, WorkerDeploymentVersionStatus
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    DescribeWorkerDeploymentRequest,
    SetWorkerDeploymentCurrentVersionRequest,
)
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import WorkerDeploymentConfig

from activities.settings import ROOT, Work
from perdure.contracts.temporal.queues import Queue

VERSIONING_BEHAVIOURS = {
    Queue.AGENTS: VersioningBehavior.PINNED,
    Queue.PLATFORM: VersioningBehavior.AUTO_UPGRADE,
    Queue.WORKFLOWS: VersioningBehavior.AUTO_UPGRADE,
}
"""The queues whose workers have versions, with their behaviours. A worker has one behaviour for all its runs, so agents
and chains have different queues: an agent stays with the version that it began with, a chain moves to the current one.

Queues of effects alone have no versions: any build can run an effect, since old and new builds read each other's
contracts, and their workers may be replaced at once."""

POLLERS_SEEN_SECONDS = 5.0
"""How long it may take until the server has seen every queue that a new worker polls, in seconds."""

POLLERS_UNSEEN = (RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION)
"""The server's status codes before that."""

ROUTING_SECONDS = 30
"""How long a new routing may take to reach every queue, in seconds."""


@dataclass(frozen=True)
class Version:
    """One version of the platform's workers."""

    build: str
    status: str
    """`current`, `ramping`, `inactive` (not current yet), `draining` (was current, has open runs) or `drained`.
    The server updates it only every few minutes; `running` is newer."""
    running: int
    """The open runs that are pinned to this version, and the chains that are on it now."""
    seen: datetime | None
    """The time of the last poll for agents' work by one of its workers; None: no poll in the last five minutes."""


@dataclass(frozen=True)
class Versions:
    """A worker deployment as the server knows it."""

    current: str | None
    """The build that begins new runs. None: new runs wait for workers without a version."""
    known: tuple[Version, ...]
    """All versions, the oldest first."""
    unversioned: int
    """The number of runs without a version: no worker has taken them yet, or one without a version did."""


@cache
def build_id() -> str:
    """Return the id of this build: a digest of the files that decide how runs behave.

    Without an id, Temporal would hash the code of every loaded module, which takes seconds at each start.
    """
    digest = hashlib.sha256()
    for folder in (ROOT / "perdure", ROOT / "workflows"):
        for file in sorted(folder.rglob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def version_of(work: Work, queue: str) -> dict[str, Any]:
    """Return the options by which a worker on this queue tells the server its build."""
    if work.deployment is None or queue not in set(VERSIONING_BEHAVIOURS):
        return {"build_id": build_id()}
    return {
        "deployment_config": WorkerDeploymentConfig(
            WorkerDeploymentVersion(work.deployment, work.build or build_id()),
            use_worker_versioning=True,
            default_versioning_behavior=VERSIONING_BEHAVIOURS[Queue(queue)],
        )
    }


async def notice(client: Client, work: Work) -> str | None:
    """Return a notice for the operator who starts a worker that gets no new runs; None where it gets them."""
    if work.deployment is None:
        return None
    build = work.build or build_id()
    remedy = f"`perdure versions use {build}`"
    try:
        deployment_info = await _describe(client, work.deployment)
    except RPCError as error:
        return (
            f"the server does not say which version of {work.deployment} is current: {error.message} Workers need no "
            "versions where PERDURE_WORK__DEPLOYMENT is not set"
        )
    current = None if deployment_info is None else _current(deployment_info)
    if current is None:
        return f"{work.deployment} has no current version: new runs wait until {remedy} has made {build} it"
    return None if current == build else f"new runs begin on {current}, not on {build}: {remedy} changes that"


async def versions(client: Client, deployment: str) -> Versions | None:
    """Return a worker deployment as the server knows it; None where it has seen none of its workers.

    Raises `RPCError`.
    """
    deployment_info = await _describe(client, deployment)
    if deployment_info is None:
        return None
    seen = await _last_seen(client, deployment)
    known = [
        Version(
            build := summary.deployment_version.build_id,
            _lower_case(WorkerDeploymentVersionStatus.Name(summary.status), "WORKER_DEPLOYMENT_VERSION_STATUS_"),
            await _count(client, f"TemporalWorkerDeploymentVersion = '{deployment}:{build}'"),
            seen.get(build),
        )
        for summary in sorted(
            deployment_info.version_summaries, key=lambda summary: summary.create_time.ToNanoseconds()
        )
    ]
    queues = ", ".join(f"'{queue}'" for queue in VERSIONING_BEHAVIOURS)
    unversioned = await _count(client, f"TaskQueue IN ({queues}) AND TemporalWorkerDeploymentVersion IS NULL")
    return Versions(_current(deployment_info), tuple(known), unversioned)


async def make_current(client: Client, deployment: str, build: str) -> None:
    """Make a version the one that begins new runs, and wait until every queue has the new routing.

    Raises `RPCError` where the server refuses, because the version's workers do not poll every queue that is in use.
    """
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace, deployment_name=deployment, build_id=build, identity=client.identity
    )
    deadline = time.monotonic() + POLLERS_SEEN_SECONDS
    while True:
        try:
            await client.workflow_service.set_worker_deployment_current_version(request)
            break
        except RPCError as error:
            # The server learns the queues of a worker that has just started a moment later, one after the other.
            if error.status not in POLLERS_UNSEEN or time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.2)
    in_progress = RoutingConfigUpdateState.ROUTING_CONFIG_UPDATE_STATE_IN_PROGRESS
    async with asyncio.timeout(ROUTING_SECONDS):
        deployment_info = await _describe(client, deployment)
        while deployment_info is None or deployment_info.routing_config_update_state == in_progress:
            await asyncio.sleep(0.1)
            deployment_info = await _describe(client, deployment)


async def _describe(client: Client, deployment: str) -> WorkerDeploymentInfo | None:
    request = DescribeWorkerDeploymentRequest(namespace=client.namespace, deployment_name=deployment)
    try:
        return (await client.workflow_service.describe_worker_deployment(request)).worker_deployment_info
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise


def _current(deployment_info: WorkerDeploymentInfo) -> str | None:
    return deployment_info.routing_config.current_deployment_version.build_id or None


async def _last_seen(client: Client, deployment: str) -> dict[str, datetime]:
    """Return the time of the last poll for agents' work, by version."""
    task_queue = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=Queue.AGENTS),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
    )
    seen: dict[str, datetime] = {}
    for poller in task_queue.pollers:
        options, last = poller.deployment_options, poller.last_access_time.ToDatetime(UTC)
        if options.deployment_name == deployment:
            seen[options.build_id] = max(last, seen.get(options.build_id, last))
    return seen


async def _count(client: Client, query: str) -> int:
    return (await client.count_workflows(f"ExecutionStatus = 'Running' AND {query}")).count


def _lower_case(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).lower()
