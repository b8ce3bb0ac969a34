"""The chain on a real server, with the embedded adapters and a stub model that speaks real HTTP."""

import asyncio
import uuid

import pytest
from temporalio.client import Client, WorkflowFailureError

from perdure.client import Platform, workflow_id
from perdure.contracts.budget import Budget, Spend
from perdure.contracts.contract import BadInput
from perdure.contracts.runs.run import Abstained, Answered, AskRequest, Cancelled, Exhausted, Phase, Refused
from perdure.contracts.temporal.queues import Queue
from perdure.contracts.temporal.search_attributes import COST_MICROS, GUARD_TRIGGERED, OUTCOME, PHASE, STEPS, TENANT
from perdure.errors import RunConflict, RunFailed, UnknownRun
from tests.conftest import DOCUMENTS
from tests.support.servers.stub_model import INPUT_TOKENS, OUTPUT_TOKENS, StubModel

pytestmark = pytest.mark.usefixtures("working")

QUESTION = "How many weeks of parental leave are paid in full?"


def new_id() -> str:
    return str(uuid.uuid4())


async def test_an_answer_cites_its_passage_word_for_word(platform: Platform) -> None:
    result = await platform.ask(QUESTION)
    assert isinstance(result.outcome, Answered)
    assert result.outcome.answer.body
    assert all(verdict.passed for verdict in result.verdicts)
    screened = ["valid_length", "secrets_present", "injection", "pii", "toxicity"]
    checked = [
        "citations_verbatim",
        "figures_quoted",
        "names_quoted",
        "secrets_present",
        "valid_length",
        "pii",
        "toxicity",
    ]
    # Screening and answering race: the verdicts of the one that ends first come first.
    assert [verdict.guard for verdict in result.verdicts] in ([*screened, *checked], [*checked, *screened])
    citation = result.outcome.citations[0]
    assert citation.quote in (DOCUMENTS / "parental-leave-v2.md").read_text()
    assert [timing.stage for timing in result.timings] == ["routing", "retrieving", "generating", "checking"]


async def test_a_reply_is_settled_at_the_catalogues_prices(platform: Platform) -> None:
    result = await platform.ask(QUESTION)
    price = -(-(INPUT_TOKENS * 20_000 + OUTPUT_TOKENS * 60_000) // 1_000_000)
    assert result.spent == Spend(steps=1, input_tokens=INPUT_TOKENS, output_tokens=OUTPUT_TOKENS, micro_dollars=price)
    assert result.unsettled == Spend()


async def test_the_newest_edition_answers_and_the_answer_says_what_it_replaced(platform: Platform) -> None:
    result = await platform.ask(QUESTION)
    assert isinstance(result.outcome, Answered)
    newer, older = result.outcome.citations
    assert (newer.edition.version, newer.superseded) == (2, False)
    assert (older.edition.version, older.superseded) == (1, True)
    assert f'said: "{older.quote}"' in (result.outcome.answer.body or "")


async def test_a_question_that_no_document_speaks_to_costs_nothing(platform: Platform, stub: StubModel) -> None:
    result = await platform.ask("Which spices belong into a Moroccan lamb tagine with apricots?")
    assert isinstance(result.outcome, Abstained)
    assert stub.calls == 0
    assert result.spent == Spend()


async def test_a_secret_in_a_question_is_refused_in_words_that_do_not_repeat_it(platform: Platform) -> None:
    result = await platform.ask('Is aws_secret = "AKIAIOSFODNN7EXAMPLE" still our key?')
    assert isinstance(result.outcome, Refused)
    assert "secret" in result.outcome.reason
    assert "AKIA" not in result.outcome.reason


async def test_a_failing_model_is_tried_again_and_every_attempt_is_counted(platform: Platform, stub: StubModel) -> None:
    stub.script = ["500", "answer"]
    result = await platform.ask(QUESTION)
    assert isinstance(result.outcome, Answered)
    assert stub.calls == 2
    assert result.spent.steps == 1
    # A 500 may have cost something: the first attempt keeps its reservation.
    assert result.unsettled.steps == 1
    assert result.unsettled.micro_dollars > 0


async def test_an_overloaded_model_costs_nothing(platform: Platform, stub: StubModel) -> None:
    stub.script = ["503", "answer"]
    result = await platform.ask(QUESTION)
    assert isinstance(result.outcome, Answered)
    assert result.unsettled == Spend()
    assert result.spent.steps == 1


async def test_a_tier_that_falls_back_to_another_deployment_says_so(platform: Platform, stub: StubModel) -> None:
    stub.script = ["401", "answer"]
    result = await platform.ask(QUESTION, tier="strong")
    assert isinstance(result.outcome, Answered)
    assert result.deployment == "fast"
    [notice] = result.notices
    assert notice.startswith("the tier 'strong' fell back to 'fast': strong: ")
    # The key was refused before any work was done.
    assert result.unsettled == Spend()


async def test_a_model_that_refuses_the_request_is_not_asked_again(platform: Platform, stub: StubModel) -> None:
    stub.script = ["400", "answer"]
    with pytest.raises(RunFailed, match=r"generate: fast: the server refused the request \(status 400\)"):
        await platform.ask(QUESTION)
    assert stub.calls == 1


async def test_a_run_that_never_gets_a_reply_fails_with_the_reason(platform: Platform, stub: StubModel) -> None:
    stub.script = ["drop", "drop", "drop", "answer"]
    with pytest.raises(RunFailed, match="gave up after 3 attempts"):
        await platform.ask(QUESTION)
    assert stub.calls == 3


async def test_a_reply_that_cannot_be_read_is_shown_to_the_model_which_mends_it(
    platform: Platform, stub: StubModel
) -> None:
    stub.script = ["malformed", "answer"]
    result = await platform.ask(QUESTION)
    assert isinstance(result.outcome, Answered)
    assert result.spent.steps == 2
    *_, first_reply, repair_request = stub.requests[-1]["messages"]
    assert first_reply == {"role": "assistant", "content": "this is not JSON"}
    assert "it is not JSON" in repair_request["content"]


async def test_a_reply_that_stays_unreadable_answers_nothing_and_says_why(platform: Platform, stub: StubModel) -> None:
    stub.script = ["malformed", "malformed", "answer"]
    result = await platform.ask(QUESTION)
    assert isinstance(result.outcome, Abstained)
    assert "it is not JSON" in result.outcome.reason
    assert result.spent.steps == stub.calls == 2


async def test_a_repair_that_the_budget_does_not_cover_is_not_made(platform: Platform, stub: StubModel) -> None:
    stub.script = ["malformed", "answer"]
    result = await platform.ask(QUESTION, budget=Budget(steps=1))
    assert isinstance(result.outcome, Exhausted)
    assert result.spent.steps == stub.calls == 1


async def test_a_budget_that_covers_no_attempt_is_exhausted_before_the_call(
    platform: Platform, stub: StubModel
) -> None:
    result = await platform.ask(QUESTION, budget=Budget(micro_dollars=1))
    assert isinstance(result.outcome, Exhausted)
    assert result.outcome.limit == "micro_dollars"
    assert result.outcome.needed.micro_dollars > 1
    assert stub.calls == 0


async def test_a_lost_attempt_counts_against_the_budget(platform: Platform, stub: StubModel) -> None:
    stub.script = ["500", "answer"]
    result = await platform.ask(QUESTION, budget=Budget(steps=1))
    assert isinstance(result.outcome, Exhausted)
    assert result.outcome.limit == "steps"
    assert stub.calls == 1


async def test_starting_the_same_request_again_changes_nothing(platform: Platform, stub: StubModel) -> None:
    name = new_id()
    first = await platform.ask(QUESTION, business_id=name)
    again = await platform.ask(QUESTION, business_id=name)
    assert again == first
    assert stub.calls == 1


async def test_a_business_id_is_not_lent_to_another_request(platform: Platform) -> None:
    name = new_id()
    await platform.start(QUESTION, business_id=name)
    with pytest.raises(RunConflict, match="was used by another request"):
        await platform.start("How often are backups made?", business_id=name)


async def test_two_tenants_may_use_the_same_business_id(platform: Platform) -> None:
    name = new_id()
    await platform.ask(QUESTION, business_id=name)
    with pytest.raises(UnknownRun):
        await platform.status(name, tenant="other")


async def test_a_cancelled_run_says_what_it_was_doing_and_what_it_may_have_spent(
    platform: Platform, stub: StubModel, client: Client
) -> None:
    stub.script = ["hang"]
    name = await platform.start(QUESTION)
    handle = client.get_workflow_handle(workflow_id("default", name))
    async for event in handle.fetch_history_events(wait_new_event=True):
        if event.HasField("activity_task_scheduled_event_attributes") and (
            event.activity_task_scheduled_event_attributes.activity_type.name == "generate"
        ):
            break
    await asyncio.wait_for(asyncio.to_thread(stub.called.wait), 30)
    await platform.cancel(name)
    result = await platform.result(name)
    assert result.outcome == Cancelled(phase=Phase.GENERATING)
    # The call is known to have been made; the tokens that it used are not known.
    assert result.spent == Spend(steps=1)
    assert result.unsettled.micro_dollars > 0


async def test_an_unknown_chain_fails_the_run_and_names_those_that_exist(platform: Platform) -> None:
    with pytest.raises(RunFailed, match=r"there is no chain 'nope': the chains in agents/ are .*handbook"):
        await platform.ask(QUESTION, chain="nope")


async def test_an_unknown_tier_fails_the_run_and_names_those_that_exist(platform: Platform) -> None:
    with pytest.raises(RunFailed, match=r"no deployment serves the tier 'huge': the tiers in local.toml are fast"):
        await platform.ask(QUESTION, tier="huge")


async def test_a_run_is_found_by_its_search_attributes(platform: Platform, client: Client) -> None:
    name = await platform.start(QUESTION)
    await platform.result(name)
    attributes = (await client.get_workflow_handle(workflow_id("default", name)).describe()).typed_search_attributes
    assert attributes.get(TENANT) == "default"
    assert attributes.get(PHASE) == "closed"
    assert attributes.get(OUTCOME) == "answered"
    assert attributes.get(STEPS) == 1
    assert (attributes.get(COST_MICROS) or 0) > 0
    assert attributes.get(GUARD_TRIGGERED) is None
    status = await platform.status(name)
    assert (status.state, status.phase, status.outcome) == ("completed", Phase.CLOSED, "answered")


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ([], "started with 0 inputs"),
        ([{"question": "a"}, {"question": "b"}], "started with 2 inputs"),
        ([{"question": 42}], "question"),
        ([{"question": "   "}], "is empty: ask something"),
        (["just text"], "input"),
        ([{"question": "a", "tenant": "No Such Tenant"}], "tenant"),
        ([{"question": "a\x00b"}], "control character"),
    ],
)
async def test_an_input_that_does_not_decode_fails_the_run_with_the_reason(
    client: Client, payload: list[object], reason: str
) -> None:
    with pytest.raises(WorkflowFailureError) as failure:
        await client.execute_workflow("chain", args=payload, id=f"default:{new_id()}", task_queue="perdure")
    assert reason in str(failure.value.cause)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"question": ""}, "is empty: ask something"),
        ({"question": "x" * (2 * 1024 * 1024)}, "over the limit of 1,048,576"),
        ({"question": b"\xff\xfe\x00"}, "question"),
        ({"question": "\udcff"}, "is not valid Unicode text"),
        ({"question": "a", "colour": "red"}, "colour"),
        ({"question": ["a"]}, "question"),
        ({"question": "a", "budget": {"micro_dollars": "much"}}, "budget.micro_dollars"),
        ({"question": "a", "budget": {"dollars": 1}}, "budget.dollars"),
    ],
)
def test_a_request_that_cannot_be_used_says_why_in_one_line(fields: dict[str, object], reason: str) -> None:
    with pytest.raises(BadInput) as refusal:
        AskRequest.strictly(fields)
    assert reason in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 300


async def test_any_temporal_client_can_start_a_run_with_plain_json(client: Client) -> None:
    name = new_id()
    handle = await client.start_workflow("chain", {"question": QUESTION}, id=f"default:{name}", task_queue="perdure")
    result = await handle.result()
    assert result["outcome"]["kind"] == "answered"


async def test_a_run_can_be_served_by_workers_that_have_one_role_each(client: Client) -> None:
    platform = Platform(client, task_queue=Queue.WORKFLOWS)
    name = await platform.start(QUESTION)
    assert (await platform.result(name)).outcome.kind == "answered"
    history = await client.get_workflow_handle(workflow_id("default", name)).fetch_history()
    queues = {
        event.activity_task_scheduled_event_attributes.task_queue.name
        for event in history.events
        if event.HasField("activity_task_scheduled_event_attributes")
    }
    assert queues == {Queue.WORKFLOWS, Queue.RETRIEVAL, Queue.GUARDS, "perdure-generation-fast"}
