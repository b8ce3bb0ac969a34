"""Shows the exact prompt of a paid step: `python -m evals show-prompt RUN STEP [--tenant T] [--json]`.

It is rebuilt from the run's history by the functions that the step's effect itself uses, and its digest is held against
the one in the step's reply. Of a run that went on in new executions the steps of all of them are known. RUN is a run's
business id, or a file with an exported history.
"""

import argparse
import asyncio
import dataclasses
import json
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn

from google.protobuf.json_format import ParseError
from pydantic import ValidationError
from rich.console import Console
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory
from temporalio.converter import WorkflowSerializationContext

from activities.adapters.databases.open import FILE, open_database
from activities.adapters.sql.blobs import SqlBlobs
from activities.adapters.temporal.client import connect
from activities.adapters.temporal.payload_keys import PayloadKeys, payload_keys
from activities.adapters.temporal.payload_storage import payload_storage
from activities.ports import PortError, digest_of
from activities.prompts.paid_steps import Prompts
from activities.settings import Settings
from activities.settings import load as load_settings
from deploy.processes.rest import rested
from deploy.prompts.paid_steps import Attempt, paid_steps, whole_name
from deploy.prompts.recorded_bodies import NoStore, Reads, RecordedBodies
from deploy.prompts.report import Rebuilt, report
from perdure.client import Platform
from perdure.contracts.contract import BadInput, explain
from perdure.contracts.temporal.converter import data_converter
from perdure.errors import PlatformError

LARGEST = 2**31 - 1
"""Bytes. Nothing is ever stored from here: payloads are only read."""


def main(arguments: Sequence[str]) -> int:
    """Run the command; 0 where the digest matches, 1 where it does not or cannot be checked."""
    parser = _Parser(prog="python -m evals show-prompt", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", metavar="RUN", help="a run's business id, or a file with an exported history")
    parser.add_argument("step", metavar="STEP", help="think-3, compact-1, generate, generate-repair-1, extract")
    parser.add_argument("--tenant", default="default", help="whose run it is (default: default)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args(arguments)
    try:
        shown = asyncio.run(rested(rebuilt(load_settings(), given.run, given.step, given.tenant)))
    except (PlatformError, BadInput, PortError, ConnectionError) as error:
        return _failed(str(error))
    except ValidationError as error:
        return _failed(f"the history of {given.run!r} holds a payload that this version cannot read: {explain(error)}")
    if given.json:
        print(json.dumps(shown.fields(), indent=1))
    else:
        report(shown, Console())
    if shown.recorded != shown.digest:
        return _failed(shown.verdict)
    if not given.json:
        print(shown.verdict)
    return 0


async def rebuilt(settings: Settings, run: str, step: str, tenant: str) -> Rebuilt:
    """The prompt of a step. Raises `PlatformError`, `BadInput`, `PortError`, `ConnectionError`, `ValidationError`."""
    async with _store(settings) as (store, keys):
        bodies = RecordedBodies(store)
        converter = dataclasses.replace(data_converter, external_storage=payload_storage(bodies, keys, LARGEST))
        steps: dict[str, list[Attempt]] = {}
        for workflow_id, events in await _executions(settings, bodies, keys, run, tenant):
            bodies.take(events)
            of_run = converter.with_context(WorkflowSerializationContext(namespace="", workflow_id=workflow_id))
            for name, made in (await paid_steps(events, of_run)).items():
                steps.setdefault(name, []).extend(made)
        name = whole_name(steps, step)
        if name is None:
            known = ", ".join(steps) or "none yet"
            raise BadInput(f"the run {run!r} has no paid step {step!r}: its paid steps are {known}")
        bodies.take_turns(attempt for each in steps.values() for attempt in each)
        return await _of(steps[name], Prompts(bodies), run, name)


async def _of(attempts: list[Attempt], prompts: Prompts, run: str, step: str) -> Rebuilt:
    """The attempt whose prompt the reply was for: mostly the one that replied, else the one whose reply was saved."""
    replied = next((attempt for attempt in attempts if attempt.reply is not None), attempts[-1])
    recorded = None if replied.reply is None else replied.reply.prompt_digest
    tried: list[Rebuilt] = []
    for attempt in (replied, *(other for other in attempts if other is not replied)):
        prompt = await prompts.of(attempt.ask)
        tried.append(Rebuilt(run, step, attempt, prompt, digest_of(prompt), recorded))
        if recorded in (None, tried[-1].digest):
            return tried[-1]
    return tried[0]


@asynccontextmanager
async def _store(settings: Settings) -> AsyncGenerator[tuple[Reads, PayloadKeys]]:
    """The database that the settings name, and the keys. One that is not there is not made."""
    file = settings.paths.state / FILE
    if settings.database.postgres is None and not file.exists():
        yield NoStore(str(file)), payload_keys(settings.payloads, None)
        return
    async with open_database(settings) as database:
        yield SqlBlobs(database), payload_keys(settings.payloads, database)


async def _executions(
    settings: Settings, bodies: RecordedBodies, keys: PayloadKeys, run: str, tenant: str
) -> Sequence[tuple[str, Sequence[HistoryEvent]]]:
    """A run's histories, the oldest first, from the server; or one from a file. Each with the workflow's id."""
    kept = await asyncio.to_thread(_read, Path(run))
    if kept is not None:
        return [(kept[0].workflow_execution_started_event_attributes.workflow_id if kept else "", kept)]
    quiet = settings.model_copy(update={"telemetry": settings.telemetry.model_copy(update={"traces": False})})
    platform = Platform(await connect(quiet, bodies, keys))
    return [(history.workflow_id, history.events) for history in await platform.executions(run, tenant=tenant)]


def _read(path: Path) -> Sequence[HistoryEvent] | None:
    """The history in a file; None where there is no such file."""
    if not path.is_file():
        return None
    try:
        return WorkflowHistory.from_json("", path.read_text()).events
    except (ParseError, ValueError, TypeError, KeyError, AttributeError, OSError):
        raise BadInput(
            f"{path} holds no history: export one with `temporal workflow show --workflow-id ID --output json`"
        ) from None


def _failed(reason: str) -> int:
    print(f"show-prompt: {' '.join(reason.split())}", file=sys.stderr)
    return 1


class _Parser(argparse.ArgumentParser):
    """Says a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        sys.exit(f"show-prompt: {message}: python -m evals show-prompt RUN STEP [--tenant T] [--json]")
