"""The whole chain over PostgreSQL and Redis: only the settings differ, and the history of a run is the same."""

import uuid
from pathlib import Path

import pytest
from pydantic import SecretStr
from temporalio.client import Client

from activities.adapters.databases.open import open_database
from activities.adapters.sql.blobs import SqlBlobs
from activities.adapters.sql.paid_replies import SqlPaidReplies
from activities.adapters.tokens.open import open_token_log
from activities.ports import End, Piece
from activities.settings import Database, Settings, Tokens
from perdure.client import Platform
from perdure.contracts.chains.steps import StepKey
from perdure.contracts.runs.run import Answered
from tests.replay import record
from tests.replay.histories import decisions, outcomes, read
from tests.replay.scenario import Scenario, play
from tests.replay.scenarios import SCENARIOS
from tests.replay.stage import Stage
from tests.support.servers.stub_model import StubModel
from tests.support.tool_calls.odd_tools import Calls

pytestmark = pytest.mark.postgres

NAMES = ("answered-with-an-older-edition", "answered-after-a-lost-attempt-and-a-wait", "extracted-after-a-repair")
CHOSEN = [scenario for scenario in SCENARIOS if scenario.name in NAMES]


@pytest.fixture
def settings(settings: Settings, postgres_url: str, redis_url: str) -> Settings:
    stores = {"database": Database(postgres=SecretStr(postgres_url)), "tokens": Tokens(redis=SecretStr(redis_url))}
    return settings.model_copy(update=stores)


@pytest.mark.parametrize("scenario", CHOSEN, ids=lambda scenario: scenario.name)
@pytest.mark.usefixtures("working")
async def test_a_run_decides_what_the_recorded_one_did(scenario: Scenario, client: Client, stub: StubModel) -> None:
    history = await play(scenario, client, Stage(stub, Calls()), f"production-{uuid.uuid4()}")
    recorded = read(record.FOLDER / f"{scenario.name}.json")
    assert decisions(history) == decisions(recorded)
    assert outcomes(history) == outcomes(recorded)


async def test_what_a_run_paid_for_is_in_postgresql_and_what_it_said_in_redis(
    platform: Platform, working: Settings, tmp_path: Path
) -> None:
    name = await platform.start("How many weeks of parental leave are paid in full?")
    result = await platform.result(name)
    assert isinstance(result.outcome, Answered)
    status = await platform.status(name)
    key = StepKey(tenant="default", workflow_id=status.workflow_id, run_id=status.temporal_run_id, step="generate")
    # Read by settings that share nothing with the worker's but the two addresses.
    reader_settings = working.model_copy(update={"paths": working.paths.model_copy(update={"state": tmp_path})})
    async with open_database(reader_settings) as database, open_token_log(reader_settings) as log:
        assert await SqlPaidReplies(database).attempts(key) == {1: result.spent}
        answer = result.outcome.answer
        assert await SqlBlobs(database).get("default", answer.digest) == (answer.body or "").encode()
        entries = [entry async for entry in log.read(key)]
    assert any(isinstance(entry, Piece) for entry in entries)
    assert isinstance(entries[-1], End)
    assert not any((tmp_path / name).exists() for name in ("perdure.db", "tokens.db"))
