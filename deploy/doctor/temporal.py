"""Checks the Temporal server: reachable with its TLS, key and namespace, its version, attributes, workers and clock."""

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeTaskQueueRequest,
    GetClusterInfoRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.adapters.temporal.search_attributes import compare_attributes, tcld, temporal
from activities.adapters.temporal.worker_versions import build_id, versions
from deploy.doctor.clocks import AHEAD, compared
from deploy.doctor.finding import Check, Context, Report, ok, skipped, warn, wrong
from deploy.processes.errors import DeployError
from deploy.processes.temporal_config import temporal_config
from perdure.contracts.temporal.connecting import connect
from perdure.contracts.temporal.queues import Queue

OLDEST_SERVER = (1, 31)
"""The oldest server that the platform is made for: that of the compose stack."""

SEEN = timedelta(minutes=5)
"""How long a server remembers that a worker has polled."""


async def look(context: Context, report: Report) -> None:
    """Connect once, and check everything about the server side by side."""
    try:
        config = temporal_config()
    except DeployError as error:
        report(wrong("temporal", "its configuration cannot be used", str(error)))
        return
    config["target_host"] = config.get("target_host") or f"127.0.0.1:{context.settings.embedded.temporal_port}"
    where, namespace = config["target_host"], config.get("namespace", "default")
    try:
        async with asyncio.timeout(context.seconds):
            client = await connect(config, within=context.within)
            described = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=namespace))
    except TimeoutError:
        remedy = "look at its log, or correct TEMPORAL_ADDRESS"
        report(wrong("temporal", f"{where} accepts connections and gave no answer", remedy))
        return
    except ConnectionError as error:
        what, _, remedy = str(error).partition(": ")
        report(wrong("temporal", what, remedy))
        return
    except RPCError as error:
        unknown = error.status is RPCStatusCode.NOT_FOUND
        mend = f"make it: `temporal operator namespace create --namespace {namespace}`, or correct TEMPORAL_NAMESPACE"
        other = "correct TEMPORAL_API_KEY, or the rights of the key or the certificate"
        what = f"{where} refused ({error.status.name.lower()}): {error.message}"
        report(wrong("temporal", what, mend if unknown else other))
        return
    kept = described.config.workflow_execution_retention_ttl.ToTimedelta()
    report(ok("temporal", f"{where}, namespace {namespace!r}, keeps closed runs for {kept.days} d"))
    async with asyncio.TaskGroup() as tasks:
        for each in (_version, _attributes, _workers, _deployment, _clock):
            tasks.create_task(_careful(each.__name__.removeprefix("_"), each(client, context, report), report))


NAMES = {
    "version": "temporal version",
    "attributes": "search attributes",
    "workers": "workers",
    "deployment": "worker versions",
    "clock": "temporal clock",
}


async def _careful(name: str, question: Awaitable[None], report: Report) -> None:
    """Await one question. A server that refuses to answer it is no reason to lose the others."""
    try:
        await question
    except RPCError as error:
        what = f"the server does not say ({error.status.name.lower()}): {error.message}"
        report(warn(NAMES[name], what, "give the key or the certificate the right to read it, where you need it"))


async def _version(client: Client, context: Context, report: Report) -> None:
    del context
    info = await client.workflow_service.get_cluster_info(GetClusterInfoRequest())
    shown = info.server_version or "unknown"
    parts = tuple(int(part) for part in shown.split("-")[0].split(".")[:2] if part.isdecimal())
    if parts and parts < OLDEST_SERVER:
        wanted = ".".join(map(str, OLDEST_SERVER))
        report(
            warn(
                "temporal version", f"the server is {shown}", f"the platform is made for {wanted} and newer: update it"
            )
        )
    else:
        report(ok("temporal version", f"server {shown}"))


async def _attributes(client: Client, context: Context, report: Report) -> None:
    del context
    attributes = await compare_attributes(client)
    name = "search attributes"
    if attributes.wrong:
        names = " ".join(f"--name {each}" for each in attributes.wrong)
        remedy = f"`temporal operator search-attribute remove --namespace {client.namespace} {names}`, then "
        remedy += f"`{temporal(client.namespace, attributes.wrong)}`"
        report(wrong(name, f"{', '.join(attributes.wrong)} have another type than runs give them", remedy))
    elif attributes.missing:
        what = f"runs cannot start: the namespace {client.namespace!r} lacks {', '.join(attributes.missing)}"
        report(wrong(name, what, _command(attributes.by_query, client, attributes.missing)))
    else:
        how = ", each by a query (the operator service is refused)" if attributes.by_query else ""
        report(ok(name, f"all registered{how}"))


def _command(by_query: bool, client: Client, missing: tuple[str, ...]) -> str:  # noqa: FBT001 - it is the question
    if not by_query:
        return "run `python -m deploy.compose register`"
    return f"on Temporal Cloud `{tcld(client.namespace, missing)}`, elsewhere `{temporal(client.namespace, missing)}`"


async def _pollers(client: Client) -> list[datetime]:
    """Return when workers last asked for work of runs, by the server's clock."""
    seen: list[datetime] = []
    for queue in (Queue.PLATFORM, Queue.WORKFLOWS, Queue.AGENTS):
        request = DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
        described = await client.workflow_service.describe_task_queue(request)
        seen += [poller.last_access_time.ToDatetime(UTC) for poller in described.pollers]
    return seen


async def _workers(client: Client, context: Context, report: Report) -> None:
    del context
    seen = await _pollers(client)
    if seen:
        report(ok("workers", f"{len(seen)} ask for work of runs"))
    else:
        report(warn("workers", "none has asked for work in five minutes", "`make up` or `make worker` starts one"))


async def _deployment(client: Client, context: Context, report: Report) -> None:
    name, deployment = "worker versions", context.settings.work.deployment
    if deployment is None:
        report(skipped(name, "PERDURE_WORK__DEPLOYMENT is not set: every worker takes every run"))
        return
    own = context.settings.work.build or build_id()
    known = await versions(client, deployment)
    if known is None or known.current is None:
        report(wrong(name, f"{deployment} has no current version, so new runs wait",
                     f"start its workers, then `perdure versions use {own}`"))  # fmt: skip
        return
    left = [version for version in known.known if version.running and version.seen is None]
    if left:
        runs = ", ".join(f"{version.running} on {version.build}" for version in left)
        report(wrong(name, f"runs have no worker of their version ({runs})",
                     "start workers of it again, or move them as deploy/versions/README.md says"))  # fmt: skip
    elif known.current != own:
        report(warn(name, f"new runs begin on {known.current}, and this checkout is {own}",
                    f"`perdure versions use {own}` once its workers run"))  # fmt: skip
    else:
        report(ok(name, f"new runs begin on {own}"))


async def _clock(client: Client, context: Context, report: Report) -> None:
    """Compare the clocks as far as the server shows its own: a worker's last poll was within its last five minutes."""
    del context
    name, seen = "temporal clock", await _pollers(client)
    now = datetime.now(UTC)
    if not seen:
        report(skipped(name, "no worker has polled lately, and the server shows its clock in no other way"))
        return
    newest = max(seen)
    if newest > now + AHEAD:
        report(compared(name, "the Temporal server", newest - now))
    elif newest < now - SEEN - AHEAD:
        report(compared(name, "the Temporal server", newest - now + SEEN))
    else:
        report(ok(name, "no difference seen in the last polls of workers"))


TEMPORAL = Check(("temporal", *NAMES.values()), look)
