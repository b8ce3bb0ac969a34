"""The composition root: settings -> adapters -> activities and workflows -> workers."""

import argparse
import asyncio
import hashlib
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from temporalio.client import Client
from temporalio.worker import Worker

from activities.ports import Guards, PortError, SharedState, TokenLog
from activities.settings import ROOT, Settings, load, quiet_libraries
from perdure.contracts.queues import Queue
from workflows.plugin import WORKFLOWS

if TYPE_CHECKING:
    from activities.adapters.sql_database import Database

GRACE = timedelta(seconds=10)
"""How long what is in hand may take after SIGTERM."""

ALIVE_EVERY = 5.0
"""Seconds between two signs of life."""


class Role(StrEnum):
    """What a worker does. Slow libraries load only in the roles that need them."""

    WORKFLOWS = "workflows"
    """Runs workflows, and effects that only read files: nothing slow is loaded."""
    RETRIEVAL = "retrieval"
    """Embeds and searches: loads onnxruntime, and LanceDB or Weaviate's client."""
    GUARDS = "guards"
    """Runs guardrail checks: loads Guardrails AI."""
    GENERATION = "generation"
    """Calls models: loads LiteLLM."""


Activities = Sequence[Callable[..., Any]]


class Parts:
    """The adapters of one worker process, made when a role first asks for them and closed together."""

    def __init__(
        self, settings: Settings, stack: AsyncExitStack, database: "Database", log: TokenLog, shared: SharedState
    ) -> None:
        """Use `open`."""
        from activities.adapters.catalogue import CatalogueFile
        from activities.adapters.sql_blobs import SqlBlobs
        from agents.loader import Specs
        from tools.folder import all_tools

        self.settings = settings
        self._stack = stack
        self.specs = Specs(settings.paths.agents, all_tools())
        self.catalogue = CatalogueFile(settings.paths.catalogue, settings.model.endpoints)
        self.database = database
        self.blobs = SqlBlobs(database)
        self.log = log
        self.shared = shared
        self.when_ready: list[Callable[[], object]] = []
        """What begins once the worker serves: it loads what the first question would wait for otherwise."""

    @classmethod
    async def open(cls, settings: Settings, stack: AsyncExitStack) -> Self:
        """The adapters for these settings, until the stack is closed; the database's tables are up to date then.

        Raises `StorageFull`, `StorageFailed` where the database or an address cannot be used.
        """
        from activities.adapters.databases import open_database
        from activities.adapters.shared_states import open_shared
        from activities.adapters.token_logs import open_token_log

        database = await stack.enter_async_context(open_database(settings))
        await database.bring_up()
        log = await stack.enter_async_context(open_token_log(settings))
        return cls(settings, stack, database, log, await stack.enter_async_context(open_shared(settings)))

    def routing(self) -> Activities:
        """Effects that need no slow library."""
        from activities.routing import Routing

        routing = Routing(self.specs, self.catalogue, self.blobs)
        return [routing.route, routing.bind_deployment]

    def retrieval(self) -> Activities:
        """Search, and the reading of documents."""
        from activities.adapters.documents.files import FileDocuments
        from activities.adapters.minilm import MiniLM
        from activities.adapters.stores import store_until_closed
        from activities.adapters.telemetry import TracedStore
        from activities.extraction import Parsing
        from activities.retrieval import Retrieval
        from agents.schemas import Schemas

        models = self.settings.paths.models
        embedder = MiniLM(models / "minilm-l6-v2-int8.onnx", models / "minilm-l6-v2-tokenizer.json")
        store = TracedStore(store_until_closed(self.settings, self._stack))
        schemas = Schemas(self.settings.paths.agents / "schemas")
        return [
            Retrieval(store, embedder, self.blobs).retrieve,
            Parsing(schemas, self.catalogue, FileDocuments(), self.blobs).parse,
        ]

    def guard_library(self) -> Guards:
        """What runs the guards."""
        from activities.adapters.guardrails_guards import GuardrailsGuards
        from activities.adapters.telemetry import TracedGuards

        guards = GuardrailsGuards()
        self.when_ready.append(lambda: guards.warm_up(self.specs.guards()))
        return TracedGuards(guards)

    def guards(self) -> Activities:
        """Guardrail checks."""
        from activities.adapters.record_rules import RecordRules
        from activities.checking import Checking
        from activities.extraction import Validation
        from activities.screening import Screening

        guards = self.guard_library()
        return [
            Screening(self.specs, guards, self.blobs, self.log).screen,
            Checking(guards, self.blobs).check,
            Validation(RecordRules(), self.blobs).validate,
        ]

    def generation(self) -> Activities:
        """Calls of models."""
        from activities.adapters.litellm_model import LiteLLMModel
        from activities.adapters.sql_paid_replies import SqlPaidReplies
        from activities.adapters.telemetry import TracedModel, log_lost_tokens
        from activities.extraction import Extraction
        from activities.generation import Generation
        from activities.purchasing import Purchasing

        calls = self.settings.model
        model = LiteLLMModel(
            self.catalogue,
            timeout_seconds=calls.timeout_seconds,
            idle_seconds=calls.idle_seconds,
            api_keys=calls.api_keys,
            shared=self.shared,
        )
        replies = SqlPaidReplies(self.database)
        purchasing = Purchasing(TracedModel(model, self.catalogue), replies, self.log, log_lost_tokens)
        return [Generation(purchasing, self.blobs).generate, Extraction(purchasing, self.blobs).extract]


def build_id() -> str:
    """What tells two builds of the platform apart: a digest of what decides runs.

    Without one, Temporal hashes the code of every module that is loaded: seconds at each start.
    """
    digest = hashlib.sha256()
    for folder in (ROOT / "perdure", ROOT / "workflows"):
        for file in sorted(folder.rglob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def workers(client: Client, settings: Settings, parts: Parts, roles: Sequence[Role]) -> list[Worker]:
    """One worker for each task queue that the roles serve."""
    from activities.adapters.catalogue import GENERATION_QUEUE
    from activities.adapters.telemetry import LoggedEffects
    from activities.conduct import CANCEL_SEEN_AFTER, Conduct

    common: dict[str, Any] = {
        "build_id": build_id(),
        "interceptors": [LoggedEffects(), Conduct()],
        "graceful_shutdown_timeout": GRACE,
    }
    deciding: dict[str, Any] = {
        "workflows": WORKFLOWS,
        "max_concurrent_workflow_tasks": settings.work.workflow_tasks,
    }
    served: dict[str, Activities] = {}
    for role in roles:
        match role:
            case Role.WORKFLOWS:
                served[Queue.WORKFLOWS] = parts.routing()
            case Role.RETRIEVAL:
                served[Queue.RETRIEVAL] = parts.retrieval()
            case Role.GUARDS:
                served[Queue.GUARDS] = parts.guards()
            case Role.GENERATION:
                generation = parts.generation()
                served |= dict.fromkeys((GENERATION_QUEUE + name for name in parts.catalogue.entries), generation)
    if set(roles) == set(Role):
        own = (Queue.WORKFLOWS, Queue.RETRIEVAL, Queue.GUARDS)
        served[Queue.PLATFORM] = [effect for queue in own for effect in served[queue]]
    made: list[Worker] = []
    for queue, activities in served.items():
        options = dict(common, max_concurrent_activities=settings.work.activities)
        if queue.startswith(GENERATION_QUEUE):
            options |= {
                "max_concurrent_activities": parts.catalogue.entries[queue.removeprefix(GENERATION_QUEUE)].concurrency,
                "max_heartbeat_throttle_interval": CANCEL_SEEN_AFTER,
            }
        if queue in (Queue.PLATFORM, Queue.WORKFLOWS):
            options |= deciding
        made.append(Worker(client, task_queue=queue, activities=activities, **options))
    return made


async def stay_alive(file: Path) -> None:
    """Touch a file every few seconds, until it is cancelled: for what watches a process that has no door."""
    while True:
        await asyncio.to_thread(file.touch)
        await asyncio.sleep(ALIVE_EVERY)


async def serve(settings: Settings, roles: Sequence[Role], alive: Path | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is in hand and stop."""
    from activities.adapters.telemetry import log_events, record_spans
    from activities.adapters.temporal_client import connect
    from activities.adapters.token_logs import forget_old_tokens

    began = time.monotonic()
    log_events(settings.telemetry.log_level)
    if settings.telemetry.traces:
        record_spans(settings)
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    async with AsyncExitStack() as stack:
        try:
            parts = await Parts.open(settings, stack)
            client = await connect(settings, parts.blobs)
        except (PortError, ConnectionError) as error:
            sys.exit(f"worker: {error}")
        for worker in workers(client, settings, parts, roles):
            await stack.enter_async_context(worker)
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
    # A process that ends right after its last call to Temporal may crash in the interpreter's exit.
    await asyncio.sleep(0.05)
    print("stopped", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(
        prog="worker.py",
        description="Run Perdure's workflows and effects. Temporal's address comes from TEMPORAL_ADDRESS.",
        epilog="Roles: " + " ".join(f"{role.value}: {_sentence(role)}" for role in Role),
    )
    parser.add_argument(
        "--role",
        action="append",
        choices=[*Role, "all"],
        help="what this worker does; may be given several times (default: all)",
    )
    parser.add_argument("--alive", type=Path, metavar="FILE", help="touched every few seconds while this worker serves")
    given = parser.parse_args(arguments)
    chosen: list[str] = given.role or ["all"]
    roles = list(Role) if "all" in chosen else [role for role in Role if role in chosen]
    settings = load()
    quiet_libraries()
    asyncio.run(serve(settings, roles, given.alive))


def _sentence(role: Role) -> str:
    return {
        Role.WORKFLOWS: "runs workflows and effects that only read files;",
        Role.RETRIEVAL: "embeds and searches;",
        Role.GUARDS: "runs guardrail checks;",
        Role.GENERATION: "calls models.",
    }[role]


if __name__ == "__main__":
    main()
