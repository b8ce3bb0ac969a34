"""The versions of workers, as Temporal keeps them: which one begins new runs, and which still have runs to end."""

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

BEHAVIOUR = {
    Queue.AGENTS: VersioningBehavior.PINNED,
    Queue.PLATFORM: VersioningBehavior.AUTO_UPGRADE,
    Queue.WORKFLOWS: VersioningBehavior.AUTO_UPGRADE,
}
"""The queues whose workers have versions. A worker has one behaviour for all its runs: agents end with the version that
they began with, chains go on with whatever is current, and so they have queues of their own.

Queues of effects alone have no versions: any build does an effect, since old and new builds read each other's
contracts, and their workers may be replaced at once."""

SHOWN_WITHIN = 5.0
"""Seconds until the server has seen all that a new worker serves."""

NOT_SHOWN = (RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION)
"""What it answers before."""

SETTLES_WITHIN = 30
"""Seconds that a new routing may take until every queue has it."""


@dataclass(frozen=True)
class Version:
    """One version of the platform's workers."""

    build: str
    status: str
    """`current`, `ramping`, `inactive` (not current yet), `draining` (was current, and has runs to end) or `drained`.
    The server looks again only every few minutes; `running` is newer."""
    running: int
    """Runs that only this version goes on with, and chains that are on it just now."""
    seen: datetime | None
    """When one of its workers last asked for agents' work; None: not for five minutes."""


@dataclass(frozen=True)
class Versions:
    """All that the server knows of a worker deployment."""

    current: str | None
    """None: new runs wait for workers without a version."""
    known: tuple[Version, ...]
    """The oldest first."""
    unversioned: int
    """Runs that have no version: nothing has taken them yet, or workers without one did."""


@cache
def build_id() -> str:
    """What tells two builds of the platform apart: a digest of what decides runs.

    Without one, Temporal hashes the code of every module that is loaded: seconds at each start.
    """
    digest = hashlib.sha256()
    for folder in (ROOT / "perdure", ROOT / "workflows"):
        for file in sorted(folder.rglob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def version_of(work: Work, queue: str) -> dict[str, Any]:
    """How a worker on this queue says which build it is, as its options."""
    if work.deployment is None or queue not in set(BEHAVIOUR):
        return {"build_id": build_id()}
    return {
        "deployment_config": WorkerDeploymentConfig(
            WorkerDeploymentVersion(work.deployment, work.build or build_id()),
            use_worker_versioning=True,
            default_versioning_behavior=BEHAVIOUR[Queue(queue)],
        )
    }


async def notice(client: Client, work: Work) -> str | None:
    """Where new runs go, for an operator who has just started a worker of another version; None if they come to it."""
    if work.deployment is None:
        return None
    build = work.build or build_id()
    remedy = f"`python -m deploy.versions use {build}`"
    try:
        found = await _described(client, work.deployment)
    except RPCError as error:
        return (
            f"the server does not say which version of {work.deployment} is current: {error.message} Workers need no "
            "versions where PERDURE_WORK__DEPLOYMENT is not set"
        )
    current = None if found is None else _current(found)
    if current is None:
        return f"{work.deployment} has no current version: new runs wait until {remedy} has made {build} it"
    return None if current == build else f"new runs begin on {current}, not on {build}: {remedy} changes that"


async def versions(client: Client, deployment: str) -> Versions | None:
    """What the server knows of a worker deployment; None where it has seen none of its workers. Raises `RPCError`."""
    found = await _described(client, deployment)
    if found is None:
        return None
    seen = await _last_seen(client, deployment)
    known = [
        Version(
            build := each.deployment_version.build_id,
            _plain(WorkerDeploymentVersionStatus.Name(each.status), "WORKER_DEPLOYMENT_VERSION_STATUS_"),
            await _count(client, f"TemporalWorkerDeploymentVersion = '{deployment}:{build}'"),
            seen.get(build),
        )
        for each in sorted(found.version_summaries, key=lambda each: each.create_time.ToNanoseconds())
    ]
    queues = ", ".join(f"'{queue}'" for queue in BEHAVIOUR)
    unversioned = await _count(client, f"TaskQueue IN ({queues}) AND TemporalWorkerDeploymentVersion IS NULL")
    return Versions(_current(found), tuple(known), unversioned)


async def make_current(client: Client, deployment: str, build: str) -> None:
    """Have a version begin new runs, and wait until every queue knows.

    Raises `RPCError` where the server refuses: workers of the version have not shown themselves on every queue in use.
    """
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace, deployment_name=deployment, build_id=build, identity=client.identity
    )
    patient_until = time.monotonic() + SHOWN_WITHIN
    while True:
        try:
            await client.workflow_service.set_worker_deployment_current_version(request)
            break
        except RPCError as error:
            # What a worker that has just become ready serves is known a moment later, one queue after the other.
            if error.status not in NOT_SHOWN or time.monotonic() > patient_until:
                raise
        await asyncio.sleep(0.2)
    in_progress = RoutingConfigUpdateState.ROUTING_CONFIG_UPDATE_STATE_IN_PROGRESS
    async with asyncio.timeout(SETTLES_WITHIN):
        found = await _described(client, deployment)
        while found is None or found.routing_config_update_state == in_progress:
            await asyncio.sleep(0.1)
            found = await _described(client, deployment)


async def _described(client: Client, deployment: str) -> WorkerDeploymentInfo | None:
    request = DescribeWorkerDeploymentRequest(namespace=client.namespace, deployment_name=deployment)
    try:
        return (await client.workflow_service.describe_worker_deployment(request)).worker_deployment_info
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise


def _current(found: WorkerDeploymentInfo) -> str | None:
    return found.routing_config.current_deployment_version.build_id or None


async def _last_seen(client: Client, deployment: str) -> dict[str, datetime]:
    """When workers last asked for agents' work, by their version."""
    asked = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=Queue.AGENTS),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
    )
    seen: dict[str, datetime] = {}
    for poller in asked.pollers:
        options, last = poller.deployment_options, poller.last_access_time.ToDatetime(UTC)
        if options.deployment_name == deployment:
            seen[options.build_id] = max(last, seen.get(options.build_id, last))
    return seen


async def _count(client: Client, which: str) -> int:
    return (await client.count_workflows(f"ExecutionStatus = 'Running' AND {which}")).count


def _plain(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).lower()
