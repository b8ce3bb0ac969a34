"""Rebuilds the exact prompt of a paid step: what `perdure evals show-prompt RUN STEP` shows.

The prompt is rebuilt from the run's history by the functions that the step's effect uses, and its digest is compared
with the one in the step's reply. If a run continued in new executions, the steps of all executions are known. RUN is a
run's business id, or a file with an exported history.
"""

import asyncio
import dataclasses
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from google.protobuf.json_format import ParseError
from pydantic import ValidationError
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory
from temporalio.converter import WorkflowSerializationContext

from activities.adapters.databases.open import FILE, open_database
from activities.adapters.sql.blobs import SqlBlobs
from activities.adapters.temporal.client import connect
from activities.adapters.temporal.payload_keys import PayloadKeys, payload_keys
from activities.adapters.temporal.payload_storage import payload_storage
from activities.ports import digest_of
from activities.prompts.paid_steps import Prompts
from activities.settings import Settings
from activities.settings import load as load_settings
from deploy.processes.rest import rested
from deploy.prompts.paid_steps import Attempt, paid_steps, whole_name
from deploy.prompts.recorded_bodies import NoStore, Reads, RecordedBodies
from deploy.prompts.report import Rebuilt
from perdure.client import Platform
from perdure.contracts.contract import BadInput, explain
from perdure.contracts.temporal.converter import data_converter
from perdure.errors import PlatformError

LARGEST = 2**31 - 1
"""The largest payload in the history, in bytes: this command only reads, so nothing is moved to the store."""


def shown(run: str, step: str, tenant: str) -> Rebuilt:
    """Rebuild a prompt by the settings. Raises `PlatformError`, `BadInput`, `PortError` and `ConnectionError`."""
    try:
        return asyncio.run(rested(rebuilt(load_settings(), run, step, tenant)))
    except ValidationError as error:
        raise PlatformError(
            f"the history of {run!r} holds a payload that this version cannot read: {explain(error)}"
        ) from None


async def rebuilt(settings: Settings, run: str, step: str, tenant: str) -> Rebuilt:
    """Rebuild a prompt. Raises `PlatformError`, `BadInput`, `PortError`, `ConnectionError`, `ValidationError`."""
    async with _store(settings) as (store, keys):
        bodies = RecordedBodies(store)
        converter = dataclasses.replace(data_converter, external_storage=payload_storage(bodies, keys, LARGEST))
        steps: dict[str, list[Attempt]] = {}
        for workflow_id, events in await _executions(settings, bodies, keys, run, tenant):
            bodies.take(events)
            of_run = converter.with_context(WorkflowSerializationContext(namespace="", workflow_id=workflow_id))
            for name, attempts in (await paid_steps(events, of_run)).items():
                steps.setdefault(name, []).extend(attempts)
        name = whole_name(steps, step)
        if name is None:
            known = ", ".join(steps) or "none yet"
            raise BadInput(f"the run {run!r} has no paid step {step!r}: its paid steps are {known}")
        bodies.take_turns(attempt for attempts in steps.values() for attempt in attempts)
        return await _matching(steps[name], Prompts(bodies), run, name)


async def _matching(attempts: list[Attempt], prompts: Prompts, run: str, step: str) -> Rebuilt:
    """Return the attempt whose prompt has the reply's digest: the one that replied, or one whose reply was saved."""
    replied = next((attempt for attempt in attempts if attempt.reply is not None), attempts[-1])
    recorded = None if replied.reply is None else replied.reply.prompt_digest
    candidates: list[Rebuilt] = []
    for attempt in (replied, *(other for other in attempts if other is not replied)):
        prompt = await prompts.of(attempt.ask)
        candidates.append(Rebuilt(run, step, attempt, prompt, digest_of(prompt), recorded))
        if recorded in (None, candidates[-1].digest):
            return candidates[-1]
    return candidates[0]


@asynccontextmanager
async def _store(settings: Settings) -> AsyncGenerator[tuple[Reads, PayloadKeys]]:
    """Yield the database of the settings and the payload keys; a missing database is not created."""
    file = settings.paths.state / FILE
    if settings.database.postgres is None and not file.exists():
        yield NoStore(str(file)), payload_keys(settings.payloads, None)
        return
    async with open_database(settings) as database:
        yield SqlBlobs(database), payload_keys(settings.payloads, database)


async def _executions(
    settings: Settings, bodies: RecordedBodies, keys: PayloadKeys, run: str, tenant: str
) -> Sequence[tuple[str, Sequence[HistoryEvent]]]:
    """Return a run's histories with their workflow ids: from a file, or from the server, the oldest first."""
    exported = await asyncio.to_thread(_read, Path(run))
    if exported is not None:
        return [(exported[0].workflow_execution_started_event_attributes.workflow_id if exported else "", exported)]
    quiet = settings.model_copy(update={"telemetry": settings.telemetry.model_copy(update={"traces": False})})
    platform = Platform(await connect(quiet, bodies, keys))
    return [(history.workflow_id, history.events) for history in await platform.executions(run, tenant=tenant)]


def _read(path: Path) -> Sequence[HistoryEvent] | None:
    """Read the history in a file; None where the file does not exist."""
    if not path.is_file():
        return None
    try:
        return WorkflowHistory.from_json("", path.read_text()).events
    except (ParseError, ValueError, TypeError, KeyError, AttributeError, OSError):
        raise BadInput(
            f"{path} holds no history: export one with `temporal workflow show --workflow-id ID --output json`"
        ) from None
