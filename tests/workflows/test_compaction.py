"""An agent whose conversation outgrows its model's window goes on with summaries, at a price that was reserved first."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from activities.settings import Model, Settings
from deploy.local.rehearsal import CATALOGUE
from deploy.stub.model import ScriptedModel
from perdure.client import Platform, workflow_id
from perdure.contracts.budget import Budget, Spend
from perdure.contracts.run import Answered
from perdure.contracts.spec import Prices
from perdure.testing import Bill, Script, answer, calls
from tests.support.agent_runs import with_agents, write_agent

pytestmark = pytest.mark.usefixtures("working")

WINDOW = 4096

READ = ("read_document", {"document": "backup-policy"})

PLENTY = Budget(steps=40, tool_calls=40)

PRICES = Prices(input=400_000, output=1_600_000)

COMPACTION = "results = []\n[compaction]\ntokens = 100\n"


@pytest.fixture
def bill(tmp_path: Path) -> Bill:
    return Bill(tmp_path / "bill.db")


@pytest.fixture
def model(tmp_path: Path) -> Iterator[ScriptedModel]:
    with ScriptedModel(0, tmp_path / "bill.db", PRICES) as server:
        yield server


@pytest.fixture
def settings(settings: Settings, model: ScriptedModel, tmp_path: Path) -> Settings:
    agents, catalogue = tmp_path / "agents", tmp_path / "catalogue.toml"
    agents.mkdir()
    write_agent(agents, "reader", ["read_document"], COMPACTION)
    written = CATALOGUE.format(model="stub", url=model.url, context=WINDOW, input=PRICES.input, output=PRICES.output)
    catalogue.write_text(written)
    named = with_agents(settings, agents, model=Model())
    return named.model_copy(update={"paths": named.paths.model_copy(update={"catalogue": catalogue})})


def reading(run: str, times: int) -> str:
    """A task for which the model reads a document again and again."""
    return Script.of(run, [*[calls(READ)] * times, answer("It is kept for a year.")]).task()


async def steps_of(client: Client, run: str) -> list[str]:
    """The effects that a run has asked for, in their order."""
    history = await client.get_workflow_handle(workflow_id("default", run)).fetch_history()
    return [
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]


async def test_a_long_run_ends_as_a_short_one_and_each_summary_is_on_the_bill(
    platform: Platform, client: Client, bill: Bill
) -> None:
    run = await platform.start_agent(reading("long", 14), agent="reader", budget=PLENTY)
    result = await platform.result(run)
    assert isinstance(result.outcome, Answered)
    assert result.outcome.answer.body == "It is kept for a year."
    done = await steps_of(client, run)
    assert done.count("compact") >= 2
    assert done.count("think") == 15
    billed = bill.calls("long")
    assert sum(call.turn == 0 for call in billed) == done.count("compact")
    assert [call.turn for call in billed if call.turn] == list(range(1, 16)), "each turn was thought once, in order"
    assert result.spent.model_copy(update={"tool_calls": 0}) == bill.spend("long")
    assert result.unsettled == Spend()
    assert max(call.input_tokens for call in billed) <= WINDOW
