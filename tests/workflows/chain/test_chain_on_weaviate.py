"""The chain answers from Weaviate as it does from the embedded store: its history has the same shape."""

import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client

from activities.settings import Model, Paths, Settings, Telemetry
from deploy.local.commands.index import index_folder
from perdure.client import Platform
from perdure.contracts.runs.run import Answered
from tests.replay import record
from tests.replay.histories import decisions, outcomes, read
from tests.replay.scenario import QUESTION, play
from tests.replay.scenarios import SCENARIOS
from tests.replay.stage import Stage
from tests.services.weaviate_server import Weaviate, forget_everything
from tests.support.servers.stub_model import StubModel
from tests.support.tool_calls.odd_tools import Calls
from worker import Adapters, WorkerRole, workers

pytestmark = [pytest.mark.weaviate, pytest.mark.usefixtures("working_on_weaviate")]


@pytest_asyncio.fixture(loop_scope="session")
async def working_on_weaviate(
    client: Client, stub: StubModel, weaviate: Weaviate, knowledge: Path, tmp_path: Path
) -> AsyncIterator[None]:
    """Start the platform's own workers in this process, over the stub model and the known documents in Weaviate."""
    await forget_everything(weaviate.settings)
    settings = Settings(
        paths=Paths(state=tmp_path),
        model=Model(endpoints={"fast": stub.url, "strong": stub.url}),
        store=weaviate.settings,
        telemetry=Telemetry(traces=False),
    )
    await index_folder(knowledge, settings, tenant="default", collection="handbook")
    async with AsyncExitStack() as stack:
        parts = await Adapters.open(settings, stack)
        for worker in workers(client, settings, parts, list(WorkerRole)):
            await stack.enter_async_context(worker)
        yield
    assert not (tmp_path / "index" / "default").exists(), "nothing was stored in LanceDB"


@pytest.mark.parametrize("name", ["answered-with-an-older-edition", "abstained-because-no-document-is-near"])
async def test_a_run_over_weaviate_decides_what_the_recorded_one_did(
    name: str, client: Client, stub: StubModel
) -> None:
    [scenario] = [one for one in SCENARIOS if one.name == name]
    history = await play(scenario, client, Stage(stub, Calls()), f"weaviate-{uuid.uuid4()}")
    recorded = read(record.FOLDER / f"{name}.json")
    assert decisions(history) == decisions(recorded)
    assert outcomes(history) == outcomes(recorded)


async def test_an_answer_from_weaviate_cites_the_newest_edition_and_what_it_replaced(client: Client) -> None:
    result = await Platform(client).ask(QUESTION)
    assert isinstance(result.outcome, Answered)
    assert [(citation.edition.version, citation.superseded) for citation in result.outcome.citations] == [
        (2, False),
        (1, True),
    ]
