"""An agent continues with summaries when its conversation outgrows the model's context window."""

import re
import sqlite3
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from activities.adapters.databases.open import FILE
from activities.composition import Adapters, WorkerRole
from activities.ports import Message, Prompt
from activities.settings import Model, Settings
from agents import summary
from deploy.prompts import show_prompt
from deploy.prompts.paid_steps import paid_steps
from deploy.testing.stack import CATALOGUE
from deploy.testing.stub.model import SUMMED_UP, ScriptedModel
from perdure.client import Platform, workflow_id
from perdure.contracts.agents.agent import AgentPhase
from perdure.contracts.agents.compaction import Compact
from perdure.contracts.agents.steps import Think
from perdure.contracts.agents.transcript import Role as Speaker
from perdure.contracts.budget import Budget, Spend
from perdure.contracts.chains.spec import Prices
from perdure.contracts.runs.run import Answered, Exhausted
from perdure.contracts.temporal.converter import data_converter
from perdure.contracts.tool_calls.decisions import Ruling
from perdure.testing import Bill, Script, Turn, answer, calls
from tests.support.runs.agent_runs import MESSAGE, says, waits, with_agents, write_agent
from worker import workers

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
    write_agent(agents, "reader", ["read_document", "send_message"], COMPACTION)
    text = CATALOGUE.format(model="stub", url=model.url, context=WINDOW, input=PRICES.input, output=PRICES.output)
    catalogue.write_text(text)
    named = with_agents(settings, agents, model=Model())
    return named.model_copy(update={"paths": named.paths.model_copy(update={"catalogue": catalogue})})


def reading(run: str, times: int, *more: Turn) -> str:
    """Return a task for which the model reads a document `times` times and then takes the turns in `more`."""
    return Script.of(run, [*[calls(READ)] * times, *more, answer("It is kept for a year.")]).task()


@asynccontextmanager
async def serving(client: Client, settings: Settings) -> AsyncGenerator[None]:
    """Start new workers, so that nothing is cached from earlier tests."""
    async with AsyncExitStack() as stack:
        parts = await Adapters.open(settings, stack)
        for worker in workers(client, settings, parts, list(WorkerRole)):
            await stack.enter_async_context(worker)
        yield


async def steps_of(client: Client, run: str) -> list[str]:
    """Return the effects that a run has scheduled, in their order."""
    history = await client.get_workflow_handle(workflow_id("default", run)).fetch_history()
    return [
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]


@pytest.mark.usefixtures("working")
async def test_a_long_run_ends_as_a_short_one_and_each_summary_is_on_the_bill(
    platform: Platform, client: Client, bill: Bill, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await platform.start_agent(reading("long", 14), agent="reader", budget=PLENTY)
    result = await platform.result(run)
    assert isinstance(result.outcome, Answered)
    assert result.outcome.answer.body == "It is kept for a year."
    effects = await steps_of(client, run)
    count = effects.count("compact")
    assert count >= 2
    assert effects.count("think") == 15
    bill_calls = bill.calls("long")
    assert sum(call.turn == 0 for call in bill_calls) == count
    assert [call.turn for call in bill_calls if call.turn] == list(range(1, 16)), "each turn was thought once, in order"
    assert result.spent.model_copy(update={"tool_calls": 0}) == bill.spend("long")
    assert result.unsettled == Spend()
    assert max(call.input_tokens for call in bill_calls) <= WINDOW

    details = await client.get_workflow_handle(workflow_id("default", run)).query("__temporal_workflow_metadata")
    assert re.search("\\| compact-1-[0-9a-f]{8}\u2003\\| stub: ", str(details))
    assert "turns summed up; " in str(details)
    assert AgentPhase.COMPACTING in [stage.stage for stage in result.timings]
    summaries = [entry async for entry in platform.timeline(run) if entry.name == "compact" and entry.found]
    assert len(summaries) == count
    assert summaries[0].found.startswith("stub sums up ")
    assert sum(entry.spent.steps for entry in summaries if entry.spent is not None) == count

    # Every prompt can be rebuilt, those of the summaries too, and its digest equals the one in the recorded reply.
    monkeypatch.setenv("TEMPORAL_ADDRESS", client.service_client.config.target_host)
    thoughts = [f"think-{number}" for number in range(1, 16)]
    prompts: dict[str, Prompt] = {}
    for step in [*(f"compact-{number}" for number in range(1, count + 1)), *thoughts]:
        rebuilt = await show_prompt.rebuilt(settings, run, step, "default")
        assert rebuilt.recorded == rebuilt.digest, step
        prompts[step] = rebuilt.prompt
    system, record = prompts["compact-2"].messages
    assert system == Message("system", summary.INSTRUCTIONS)
    assert SUMMED_UP.search(record.content), "it covers the earlier summary"
    assert not prompts["compact-2"].tools, "a summary may call no tool"
    task, summary_turn, *rest = prompts["think-15"].messages[1:]
    assert task.content == reading("long", 14)
    assert SUMMED_UP.search(summary_turn.content)
    roles = [message.role for message in rest]
    assert roles == ["assistant", "tool"] * (len(rest) // 2), "no result without the turn that asked for it"


@pytest.mark.usefixtures("working")
async def test_a_budget_that_does_not_cover_a_summary_ends_the_run_and_says_so(platform: Platform, bill: Bill) -> None:
    full = await platform.run_agent(reading("rich", 14), agent="reader", budget=PLENTY)
    assert isinstance(full.outcome, Answered)
    turns_before_summary = next(number for number, call in enumerate(bill.calls("rich")) if call.turn == 0)
    steps = Budget(steps=turns_before_summary, tool_calls=40)
    result = await platform.run_agent(reading("poor", 14), agent="reader", budget=steps)
    assert isinstance(result.outcome, Exhausted)
    assert (result.outcome.limit, result.outcome.needed.steps) == ("steps", 1)
    assert result.outcome.needed.output_tokens == 100
    [notice] = result.notices
    assert re.fullmatch(
        r"compact-1-[0-9a-f]{8}: the model's window is nearly full, "
        "and a summary of the older turns is not affordable",
        notice,
    )
    assert [call.turn for call in bill.calls("poor")] == list(range(1, turns_before_summary + 1)), (
        "no summary was bought"
    )


async def test_what_was_summed_up_may_be_lost_and_the_run_goes_on(
    client: Client, platform: Platform, settings: Settings
) -> None:
    task = reading("lossy", 12, calls(MESSAGE))
    async with serving(client, settings):
        run = await platform.start_agent(task, agent="reader", budget=PLENTY)
        [step] = await waits(platform, run)
    assert "compact" in await steps_of(client, run)
    with closing(sqlite3.connect(settings.paths.state / FILE)) as database, database:
        digests = await covered(client, run)
        for digest in digests:
            assert database.execute("delete from bodies where digest = ?", (digest,)).rowcount == 1
    assert len(digests) > 2
    async with serving(client, settings):
        await platform.decide(run, says(step, Ruling.DENY))
        assert isinstance((await platform.result(run)).outcome, Answered)


async def covered(client: Client, run: str) -> set[str]:
    """Return the links, and the digests of the model's messages, that the newest summary of a run replaces."""
    history = await client.get_workflow_handle(workflow_id("default", run)).fetch_history()
    steps = await paid_steps(history.events, data_converter)
    requests = [attempts[0].ask for attempts in steps.values()]
    placed = [place for ask in requests if isinstance(ask, Think) for place in ask.transcript.placed().items()]
    *_, newest = (ask for ask in requests if isinstance(ask, Compact))
    end = [link for link, _ in placed].index(newest.covers) + 1
    replaced = [(link, turn) for link, (turn, _) in placed[1:end]]
    return {link for link, _ in replaced} | {turn.body.digest for _, turn in replaced if turn.role is Speaker.ASSISTANT}
