"""Records the histories that are missing: `python -m tests.replay.record`. One that exists is never touched."""

import asyncio
import json
import shutil
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

from temporalio.testing import WorkflowEnvironment

from activities.settings import ROOT, Model, Paths, Settings, Telemetry, quiet_libraries
from deploy.local.commands.index import index_folder
from deploy.local.stack.temporal import DYNAMIC_CONFIG
from perdure.contracts.temporal.search_attributes import SEARCH_ATTRIBUTES
from tests.conftest import DOCUMENTS, KNOWN
from tests.replay.histories import FOLDER
from tests.replay.scenario import Scenario, play
from tests.replay.scenarios import SCENARIOS
from tests.replay.stage import set_up
from tests.support.servers.stub_model import StubModel
from tests.support.servers.temporal import TEMPORAL
from workflows.plugin import PerdurePlugin

IDENTITY = "recorder"
"""The identity of client and worker in histories, instead of process id and host name."""


async def record(missing: list[Scenario]) -> None:
    """Run the scenarios, each on a server with its own limit of events, and write their histories."""
    for limit in sorted({scenario.continue_after for scenario in missing}, key=lambda limit: limit or 0):
        await _record([scenario for scenario in missing if scenario.continue_after == limit], limit)


async def _record(missing: list[Scenario], continue_after: int | None) -> None:
    """Record scenarios on a server, an index and a stub model of their own."""
    config = [*DYNAMIC_CONFIG]
    if continue_after is not None:
        config.append(f"limit.historyCount.suggestContinueAsNew={continue_after}")
    async with AsyncExitStack() as stack:
        state = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stub = stack.enter_context(StubModel(0))
        settings = Settings(
            paths=Paths(state=state),
            model=Model(endpoints={"fast": stub.url, "strong": stub.url}),
            telemetry=Telemetry(traces=False),
        )
        documents = state / "documents"
        documents.mkdir()
        for name in KNOWN:
            shutil.copy(DOCUMENTS / name, documents)
        await index_folder(documents, settings, tenant="default", collection="handbook")
        environment = await stack.enter_async_context(
            await WorkflowEnvironment.start_local(
                plugins=[PerdurePlugin()],
                identity=IDENTITY,
                search_attributes=SEARCH_ATTRIBUTES,
                dev_server_existing_path=str(TEMPORAL),
                dev_server_extra_args=[part for value in config for part in ("--dynamic-config-value", value)],
                dev_server_log_level="error",
            )
        )
        stage = await stack.enter_async_context(set_up(environment.client, settings, stub, state))
        for scenario in missing:
            history = await play(scenario, environment.client, stage, scenario.name)
            text = json.dumps(_anonymous(history.to_json_dict()), indent=2) + "\n"
            for private in (str(ROOT), str(Path.home()), str(state)):
                if private in text:
                    raise SystemExit(f"histories: {scenario.name} would hold the path {private!r}: nothing written")
            (FOLDER / f"{scenario.name}.json").write_text(text)
            print(f"recorded {scenario.name}: {len(history.events)} events")  # noqa: T201 - a command prints


def _anonymous(part: Any) -> Any:
    """Return a history without stack traces: they name the folders of one machine, and no replay reads them."""
    match part:
        case dict():
            fields = cast("dict[str, Any]", part)
            return {key: _anonymous(value) for key, value in fields.items() if key != "stackTrace"}
        case list():
            return [_anonymous(item) for item in cast("list[Any]", part)]
        case _:
            return part


def main() -> int:
    """Record the missing histories, and print how many were kept."""
    quiet_libraries()
    FOLDER.mkdir(exist_ok=True)
    missing = [scenario for scenario in SCENARIOS if not (FOLDER / f"{scenario.name}.json").exists()]
    kept = len(SCENARIOS) - len(missing)
    if missing:
        asyncio.run(record(missing))
    print(f"histories: {len(missing)} recorded, {kept} kept as they are")  # noqa: T201 - a command prints
    return 0


if __name__ == "__main__":
    sys.exit(main())
