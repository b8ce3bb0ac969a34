"""The trace of a run: one tree from the caller to the model, by the GenAI conventions, without a prompt."""

import time
import uuid
from datetime import timedelta

import pytest
from opentelemetry import trace
from temporalio import workflow
from temporalio.client import Client, WorkflowHistory
from temporalio.contrib.opentelemetry import OpenTelemetryPlugin
from temporalio.worker import Replayer, Worker

from activities.settings import Settings
from agents.loader import Specs
from perdure.client import Platform, workflow_id
from perdure.contracts.chains.steps import Retrieved
from perdure.contracts.runs.run import Answered, Refused
from perdure.errors import RunFailed
from tests.support.servers.stub_model import INPUT_TOKENS, MODEL, OUTPUT_TOKENS, StubModel
from tests.telemetry.spans import Recorded, Tree, leaked
from workflows.plugin import WORKFLOWS, PerdurePlugin

traced = pytest.mark.usefixtures("tracing")

QUESTION = "How many weeks of parental leave are paid in full?"

LATE_S = 1.6
"""Longer than a task's time of half of it, and shorter than the two seconds that mean a deadlock."""

ASKS_WITH_A_KEY = 'Is aws_secret = "AKIAIOSFODNN7EXAMPLE" still the key of our build machines?'

REQUESTED = "qwen2.5-coder-0.5b-instruct"
"""The model of the catalogue's fast deployment."""


def effect(name: str, *inside: str) -> Tree:
    """Return the spans of one effect in its run: scheduled, then run by a worker."""
    return {f"StartActivity:{name}": {f"RunActivity:{name}": {span: {} for span in inside}}}


SPEC = Specs(Settings().paths.agent_folders).chain("handbook")

SCREEN = effect("screen", *(f"run_guard {guard.guard}" for guard in SPEC.screen))

CHAIN: Tree = {
    "StartWorkflow:chain": {
        "RunWorkflow:chain": {
            **SCREEN,
            **effect("route"),
            **effect("retrieve", "retrieval default/handbook"),
            **effect("generate", f"chat {REQUESTED}"),
            **effect("check", *(f"run_guard {guard.guard}" for guard in SPEC.check)),
        }
    }
}

INSTRUCTIONS = SPEC.instructions.body or ""


async def history_of(client: Client, business_id: str) -> WorkflowHistory:
    return await client.get_workflow_handle(workflow_id("default", business_id)).fetch_history()


@traced
async def test_a_run_is_one_tree_of_spans_also_where_every_task_replays(
    recorded: Recorded, traced_platform: Platform
) -> None:
    await traced_platform.ask(QUESTION)
    assert recorded.tree() == CHAIN


@traced
async def test_a_replay_adds_no_span(recorded: Recorded, traced_client: Client, traced_platform: Platform) -> None:
    name = str(uuid.uuid4())
    await traced_platform.ask(QUESTION, business_id=name)
    before = len(recorded.every_end())
    plugins = [PerdurePlugin(), OpenTelemetryPlugin(add_temporal_spans=True)]
    await Replayer(workflows=WORKFLOWS, plugins=plugins).replay_workflow(await history_of(traced_client, name))
    assert before
    assert len(recorded.every_end()) == before


@workflow.defn(sandboxed=False)
class LateOnce:
    """A run whose task takes longer than its time, once."""

    late = True

    @workflow.run
    async def run(self) -> None:
        if LateOnce.late:
            LateOnce.late = False
            time.sleep(LATE_S)  # noqa: ASYNC251 - it blocks its task, as a machine without time does


async def test_a_task_that_ran_out_of_time_ends_its_spans_again_under_the_same_ids(
    recorded: Recorded, traced_client: Client
) -> None:
    queue = str(uuid.uuid4())
    host = traced_client.service_client.config.target_host
    client = await Client.connect(host, plugins=[OpenTelemetryPlugin(add_temporal_spans=True)])
    async with Worker(client, task_queue=queue, workflows=[LateOnce]):
        await client.execute_workflow(
            LateOnce.run, id=queue, task_queue=queue, task_timeout=timedelta(seconds=LATE_S / 2)
        )
    assert len(recorded.every_end()) == 3
    assert recorded.tree() == {"StartWorkflow:LateOnce": {"RunWorkflow:LateOnce": {}}}


@traced
async def test_a_callers_span_is_the_root_of_its_runs(recorded: Recorded, traced_platform: Platform) -> None:
    with trace.get_tracer("backend").start_as_current_span("POST /questions"):
        await traced_platform.ask(QUESTION)
    assert recorded.tree() == {"POST /questions": CHAIN}


@traced
async def test_a_call_of_a_model_says_what_was_asked_for_what_answered_and_what_it_used(
    recorded: Recorded, traced_platform: Platform
) -> None:
    await traced_platform.ask(QUESTION)
    attributes = recorded.attributes(f"chat {REQUESTED}")
    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "hosted_vllm",
        "gen_ai.request.model": REQUESTED,
        "gen_ai.request.max_tokens": SPEC.max_output_tokens,
        "gen_ai.response.model": MODEL,
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": INPUT_TOKENS,
        "gen_ai.usage.output_tokens": OUTPUT_TOKENS,
    }
    assert {key: attributes.get(key) for key in expected} == expected


@traced
async def test_a_search_says_where_it_looked(recorded: Recorded, traced_platform: Platform) -> None:
    await traced_platform.ask(QUESTION)
    assert recorded.attributes("retrieval default/handbook") == {
        "gen_ai.operation.name": "retrieval",
        "gen_ai.data_source.id": "default/handbook",
    }


@traced
async def test_a_guards_verdict_stands_apart_from_what_a_finding_does(
    recorded: Recorded, traced_platform: Platform
) -> None:
    result = await traced_platform.ask(ASKS_WITH_A_KEY)
    assert isinstance(result.outcome, Refused)
    tree = recorded.tree()
    # The answer is retrieved at the same time, and how far that comes depends on timing.
    assert tree["StartWorkflow:chain"]["RunWorkflow:chain"].items() >= {**SCREEN, **effect("route")}.items()
    assert recorded.attributes("run_guard secrets_present") == {
        "perdure.guard.name": "secrets_present",
        "perdure.guard.passed": False,
        "perdure.guard.action": "block",
        "perdure.guard.ended": "completed",
    }
    assert recorded.attributes("run_guard valid_length")["perdure.guard.passed"] is True
    durations = {verdict.guard: verdict.milliseconds for verdict in result.verdicts}
    assert recorded.milliseconds("run_guard secrets_present") == pytest.approx(durations["secrets_present"])


@traced
async def test_no_span_of_an_answered_run_holds_its_texts(
    recorded: Recorded, traced_client: Client, traced_platform: Platform
) -> None:
    name = str(uuid.uuid4())
    result = await traced_platform.ask(QUESTION, business_id=name)
    assert isinstance(result.outcome, Answered)
    answer = result.outcome.answer.body or ""
    passages = passages_in(await history_of(traced_client, name))
    assert passages
    assert leaked(recorded.all(), [QUESTION, answer, INSTRUCTIONS, *passages]) == set()


@pytest.mark.parametrize("script", [["400"], ["malformed"], ["drop", "drop", "drop"]], ids=lambda script: script[0])
@traced
async def test_no_span_of_a_run_whose_model_fails_holds_its_texts(
    script: list[str], recorded: Recorded, traced_platform: Platform, stub: StubModel
) -> None:
    stub.script = list(script)
    if script == ["malformed"]:
        await traced_platform.ask(QUESTION)
    else:
        with pytest.raises(RunFailed):
            await traced_platform.ask(QUESTION)
    assert recorded.all()
    assert leaked(recorded.all(), [QUESTION, INSTRUCTIONS]) == set()


@traced
async def test_no_span_of_a_refused_run_holds_the_question(recorded: Recorded, traced_platform: Platform) -> None:
    await traced_platform.ask(ASKS_WITH_A_KEY)
    assert leaked(recorded.all(), [ASKS_WITH_A_KEY]) == set()


@pytest.mark.parametrize("place", ["attribute", "event", "status"])
def test_a_planted_text_is_found(place: str, recorded: Recorded) -> None:
    with trace.get_tracer("planted").start_as_current_span("planted") as span:
        match place:
            case "attribute":
                span.set_attribute("prompt", f'Answer this:\n"{QUESTION}"')
            case "event":
                span.record_exception(ValueError(QUESTION))
            case _:
                span.set_status(trace.StatusCode.ERROR, QUESTION)
    assert "weeks of parental leave" in leaked(recorded.all(), [QUESTION])


def passages_in(history: WorkflowHistory) -> list[str]:
    """Return the bodies that the effect `retrieve` brought into a run's history."""
    replies = [
        payload.data
        for event in history.events
        if event.HasField("activity_task_completed_event_attributes")
        for payload in event.activity_task_completed_event_attributes.result.payloads
        if b'"passages"' in payload.data and b'"sentences"' in payload.data and b'"spec"' not in payload.data
    ]
    (reply,) = replies
    return [passage.text.body or "" for passage in Retrieved.model_validate_json(reply).passages]
