"""Runs a worker, as the composition root: settings -> adapters -> activities and workflows -> workers."""

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

from temporalio.client import Client
from temporalio.worker import Worker

from activities.composition import Activities, Adapters, WorkerRole
from activities.ports import PortError
from activities.settings import Settings, load, quiet_libraries
from perdure.contracts.temporal.connection import let_connection_rest
from perdure.contracts.temporal.queues import Queue
from workflows.plugin import AGENTS, CHAINS

GRACE = timedelta(seconds=10)
"""How long running effects may take after SIGTERM."""

ALIVE_EVERY = 5.0
"""The seconds between two updates of the file that shows that the worker is alive."""


def queues(parts: Adapters, roles: Sequence[WorkerRole]) -> dict[str, Activities]:
    """Return the task queues that the roles serve, each with its effects."""
    from activities.adapters.model_servers.catalogue import GENERATION_QUEUE

    served: dict[str, Activities] = {}
    for role in roles:
        match role:
            case WorkerRole.WORKFLOWS:
                served[Queue.WORKFLOWS] = served[Queue.AGENTS] = parts.routing()
            case WorkerRole.RETRIEVAL:
                served[Queue.RETRIEVAL] = parts.retrieval()
            case WorkerRole.GUARDS:
                served[Queue.GUARDS] = parts.guards()
            case WorkerRole.TOOLS:
                served[Queue.TOOLS] = parts.tools()
            case WorkerRole.GENERATION:
                generation = parts.generation()
                served |= dict.fromkeys((GENERATION_QUEUE + name for name in parts.catalogue.entries), generation)
    if set(roles) == set(WorkerRole):
        own = (Queue.WORKFLOWS, Queue.RETRIEVAL, Queue.GUARDS, Queue.TOOLS)
        served[Queue.PLATFORM] = [effect for queue in own for effect in served[queue]]
        served[Queue.AGENTS] = served[Queue.PLATFORM]
    return served


def workers(client: Client, settings: Settings, parts: Adapters, roles: Sequence[WorkerRole]) -> list[Worker]:
    """Return one worker for each task queue that the roles serve."""
    from activities.adapters.model_servers.catalogue import GENERATION_QUEUE
    from activities.adapters.sql.accounts import SqlAccounts
    from activities.adapters.telemetry import LoggedEffects
    from activities.adapters.temporal.worker_versions import version_of
    from activities.interceptors.every_effect import CANCEL_SEEN_AFTER, EffectInterceptor
    from activities.interceptors.run_account import Accounting

    common: dict[str, Any] = {
        "interceptors": [LoggedEffects(), EffectInterceptor(), Accounting(SqlAccounts(parts.database))],
        "graceful_shutdown_timeout": GRACE,
    }
    deciding = {Queue.PLATFORM: CHAINS, Queue.WORKFLOWS: CHAINS, Queue.AGENTS: AGENTS}
    served = queues(parts, roles)
    made: list[Worker] = []
    for queue, activities in served.items():
        options = dict(common, **version_of(settings.work, queue), max_concurrent_activities=settings.work.activities)
        if queue.startswith(GENERATION_QUEUE):
            options |= {
                "max_concurrent_activities": parts.catalogue.entries[queue.removeprefix(GENERATION_QUEUE)].concurrency,
                "max_heartbeat_throttle_interval": CANCEL_SEEN_AFTER,
            }
        if queue in (Queue.PLATFORM, Queue.AGENTS, Queue.TOOLS):
            options["max_heartbeat_throttle_interval"] = CANCEL_SEEN_AFTER
        if queue in deciding:
            options |= {
                "workflows": deciding[Queue(queue)],
                "max_concurrent_workflow_tasks": settings.work.workflow_tasks,
            }
        made.append(Worker(client, task_queue=queue, activities=activities, **options))
    return made


async def stay_alive(file: Path) -> None:
    """Touch a file every few seconds until cancelled: health checks read it, since a worker has no port."""
    while True:
        await asyncio.to_thread(file.touch)
        await asyncio.sleep(ALIVE_EVERY)


async def serve(settings: Settings, roles: Sequence[WorkerRole], alive: Path | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then finish running effects and stop."""
    from activities.adapters.telemetry import log_events, record_spans
    from activities.adapters.temporal.client import connect
    from activities.adapters.temporal.payload_keys import payload_keys
    from activities.adapters.temporal.search_attributes import attributes_notice
    from activities.adapters.temporal.worker_versions import notice
    from activities.adapters.tokens.open import forget_old_tokens

    began = time.monotonic()
    log_events(settings.telemetry.log_level)
    close_spans = record_spans(settings) if settings.telemetry.traces else None
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    async with AsyncExitStack() as stack:
        if close_spans is not None:
            stack.push_async_callback(asyncio.to_thread, close_spans)
        try:
            parts = await Adapters.open(settings, stack)
            client = await connect(settings, parts.blobs, payload_keys(settings.payloads, parts.database))
        except (PortError, ConnectionError) as error:
            sys.exit(f"worker: {error}")
        for worker in workers(client, settings, parts, roles):
            await stack.enter_async_context(worker)
        if WorkerRole.WORKFLOWS in roles and (version_notice := await notice(client, settings.work)):
            print(f"version: {version_notice}", flush=True)
        if WorkerRole.WORKFLOWS in roles and (lacking := await attributes_notice(client)):
            print(f"search attributes: {lacking}", flush=True)
        names = ", ".join(roles)
        print(f"ready: {names} after {time.monotonic() - began:.1f} s", flush=True)
        for begin in parts.when_ready:
            begin()
        tidying = asyncio.create_task(forget_old_tokens(parts.log, settings.tokens.keep))
        stack.callback(tidying.cancel)
        if alive is not None:
            stack.callback(asyncio.create_task(stay_alive(alive)).cancel)
        await stop.wait()
        print("stopping: finishing what is in hand", flush=True)
    await let_connection_rest()
    print("stopped", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(
        prog="worker.py",
        description="Run Perdure's workflows and effects. Temporal's address comes from TEMPORAL_ADDRESS.",
        epilog="Roles: " + " ".join(f"{role.value}: {_sentence(role)}" for role in WorkerRole),
    )
    parser.add_argument(
        "--role",
        action="append",
        choices=[*WorkerRole, "all"],
        help="what this worker does; may be given several times (default: all)",
    )
    parser.add_argument("--alive", type=Path, metavar="FILE", help="touched every few seconds while this worker serves")
    given = parser.parse_args(arguments)
    chosen: list[str] = given.role or ["all"]
    roles = list(WorkerRole) if "all" in chosen else [role for role in WorkerRole if role in chosen]
    settings = load()
    quiet_libraries()
    asyncio.run(serve(settings, roles, given.alive))


def leave() -> NoReturn:
    """End the process at once: everything is written and closed by now.

    A guard that a thread is still loading may hold Python's import lock. Some libraries import at interpreter exit, and
    would wait for that lock for ever.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _sentence(role: WorkerRole) -> str:
    return {
        WorkerRole.WORKFLOWS: "runs workflows and effects that only read files;",
        WorkerRole.RETRIEVAL: "embeds and searches;",
        WorkerRole.GUARDS: "runs guardrail checks;",
        WorkerRole.GENERATION: "calls models;",
        WorkerRole.TOOLS: "calls tools.",
    }[role]


if __name__ == "__main__":
    main()
    leave()
