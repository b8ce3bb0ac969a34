"""Every recorded history replays through today's code, with the same inputs and the same result."""

import dataclasses
import json
import shutil
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
import pytest_asyncio
from pydantic import ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHistory
from temporalio.workflow import NondeterminismError

from activities.settings import Settings
from perdure.contracts.runs.continued import AgentInput
from perdure.contracts.runs.control import Held, Pause, Resume
from perdure.contracts.runs.run import AskRequest, ExtractRequest, Outcome, RunResult
from perdure.contracts.tool_calls.decisions import DecisionReply, StepDecision
from tests.replay import record
from tests.replay.gate import changes
from tests.replay.histories import activity_of, decisions, kind, outcomes, read, recorded, strings
from tests.replay.payloads import TYPES, difference, lost
from tests.replay.scenario import FAILED, Scenario, play
from tests.replay.scenarios import SCENARIOS
from tests.replay.stage import Stage, set_up
from tests.support.servers.stub_model import StubModel
from workflows import effects


@pytest_asyncio.fixture(loop_scope="session")
async def stage(client: Client, settings: Settings, stub: StubModel, tmp_path: Path) -> AsyncIterator[Stage]:
    async with set_up(client, settings, stub, tmp_path) as ready:
        yield ready


every_history = pytest.mark.parametrize("path", recorded(), ids=lambda path: path.stem)


@every_history
async def test_a_recorded_history_replays_with_the_same_inputs_and_result(path: Path) -> None:
    assert [str(change) for change in await changes(read(path))] == []


def test_every_ending_is_among_the_recorded_histories() -> None:
    kinds = {member.model_fields["kind"].default for member in get_args(get_args(Outcome)[0])}
    assert {ending(read(path)) for path in recorded()} == kinds | {FAILED, CONTINUED}


HERE = [one for one in SCENARIOS if not one.racing and one.continue_after is None]


@pytest.mark.parametrize("scenario", HERE, ids=lambda scenario: scenario.name)
async def test_a_fresh_run_decides_what_the_recorded_one_did(scenario: Scenario, client: Client, stage: Stage) -> None:
    history = await play(scenario, client, stage, f"replay-{uuid.uuid4()}")
    recorded_history = read(record.FOLDER / f"{scenario.name}.json")
    assert decisions(history) == decisions(recorded_history)
    assert outcomes(history) == outcomes(recorded_history)


@every_history
def test_an_old_payload_is_read_by_todays_contracts_without_loss(path: Path) -> None:
    typed_payloads = payloads(read(path))
    assert len(typed_payloads) > 1
    assert [lost_part for payload, contract in typed_payloads for lost_part in lost(payload, contract)] == []


def test_a_recording_names_no_machine_and_no_process() -> None:
    for path in recorded():
        texts = list(strings_of(read(path)))
        for machine_name in (str(Path.home()), str(record.ROOT), "/tmp", "@"):  # noqa: S108 - looked for, not written to
            assert [text for text in texts if machine_name in text] == [], path.name
        assert {text for text in texts if record.IDENTITY in text}, path.name


def test_recording_again_leaves_every_history_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "histories"
    shutil.copytree(record.FOLDER, folder)
    (folder / f"{SCENARIOS[0].name}.json").write_text("mine")
    monkeypatch.setattr(record, "FOLDER", folder)
    assert record.main() == 0
    assert (folder / f"{SCENARIOS[0].name}.json").read_text() == "mine"
    assert f"histories: 0 recorded, {len(SCENARIOS)} kept as they are" in capsys.readouterr().out


# Changes that the gate must catch, each planted in a copy.


async def test_a_changed_input_is_reported_with_its_event_and_field() -> None:
    history = sample()
    event = scheduled(history, "retrieve")
    edit(event.activity_task_scheduled_event_attributes.input.payloads[0], passages=9)
    assert [str(change) for change in await changes(history)] == [
        f"event {event.event_id}, activity 'retrieve', input.passages: recorded 9, now 3"
    ]


async def test_a_changed_timeout_is_reported_with_its_event() -> None:
    history = sample()
    event = scheduled(history, "check")
    event.activity_task_scheduled_event_attributes.start_to_close_timeout.FromSeconds(31)
    (change,) = await changes(history)
    assert (change.event, change.what) == (event.event_id, "activity 'check', start_to_close_timeout")
    assert (change.recorded, change.now) == (timedelta(seconds=31), effects.CHECK.start_to_close_timeout)


async def test_a_changed_result_is_reported_with_its_field() -> None:
    history = sample()
    last = history.events[-1]
    edit(last.workflow_execution_completed_event_attributes.result.payloads[0], deployment="another")
    assert [str(change) for change in await changes(history)] == [
        f"event {last.event_id}, the run's result.deployment: recorded 'another', now 'fast'"
    ]


async def test_a_change_of_what_is_handed_over_is_reported() -> None:
    history = read(record.FOLDER / "agent-handed-over-to-its-next-execution.json")
    last = history.events[-1]
    edit(last.workflow_execution_continued_as_new_event_attributes.input.payloads[0], agent="another")
    assert [str(change) for change in await changes(history)] == [
        f"event {last.event_id}, what is handed over.agent: recorded 'another', now 'tester'"
    ]


async def test_a_changed_reason_of_a_failure_is_reported() -> None:
    history = read(record.FOLDER / "failed-because-the-model-refused.json")
    history.events[-1].workflow_execution_failed_event_attributes.failure.message = "generate: another reason"
    (change,) = await changes(history)
    assert change.what == "the run's failure"


async def test_a_change_of_the_code_is_caught_as_one_of_the_history_is(monkeypatch: pytest.MonkeyPatch) -> None:
    slower = dataclasses.replace(effects.CHECK, start_to_close_timeout=timedelta(seconds=29))
    monkeypatch.setattr(effects, "CHECK", slower)
    (change,) = await changes(sample())
    assert change.what == "activity 'check', start_to_close_timeout"
    assert change.now == timedelta(seconds=29)


async def test_another_step_is_temporals_own_error() -> None:
    history = sample()
    scheduled(history, "check").activity_task_scheduled_event_attributes.activity_type.name = "moderate"
    with pytest.raises(NondeterminismError, match="moderate"):
        await changes(history)


def test_a_field_that_a_contract_gains_is_no_change_and_one_that_it_loses_is() -> None:
    old = Payload(metadata={"encoding": b"json/plain"}, data=b'{"question": "a", "colour": "red"}')
    current = AskRequest.model_validate({"question": "a"})
    assert [path for path, _, _ in difference(old, current, AskRequest) if path != ".question"] == [".colour"]
    assert (".colour", "red", "nothing") in lost(old, AskRequest)


def test_a_payload_that_no_longer_decodes_is_an_error() -> None:
    with pytest.raises(ValidationError, match="passages"):
        lost(Payload(data=b'{"passages": "none"}'), effects.RETRIEVE.reply)


REQUESTS: dict[str, type] = {"chain": AskRequest, "extraction": ExtractRequest, "agent": AgentInput}

UPDATES: dict[str, tuple[type, type]] = {
    "decide": (StepDecision, DecisionReply),
    "pause": (Pause, Held),
    "resume": (Resume, Held),
}


def sample() -> WorkflowHistory:
    """Read a history to plant changes in."""
    return read(record.FOLDER / "answered-with-an-older-edition.json")


def scheduled(history: WorkflowHistory, name: str) -> HistoryEvent:
    return next(
        event for event in history.events if event.activity_task_scheduled_event_attributes.activity_type.name == name
    )


def edit(payload: Payload, **fields: Any) -> None:
    payload.data = json.dumps({**json.loads(payload.data), **fields}).encode()


CONTINUED = "continued"
"""The ending of an execution whose run continues in a new one."""


def ending(history: WorkflowHistory) -> str:
    if kind(history.events[-1]) == "workflow_execution_continued_as_new":
        return CONTINUED
    result = history.events[-1].workflow_execution_completed_event_attributes.result.payloads
    return RunResult.model_validate_json(result[0].data).outcome.kind if result else FAILED


def payloads(history: WorkflowHistory) -> list[tuple[Payload, type]]:
    """Return every payload of a history with the type of its contract."""
    typed: list[tuple[Payload, type]] = []
    for event in history.events:
        match kind(event):
            case "workflow_execution_started":
                started = event.workflow_execution_started_event_attributes
                typed += [(payload, REQUESTS[started.workflow_type.name]) for payload in started.input.payloads]
            case "activity_task_scheduled":
                inputs = event.activity_task_scheduled_event_attributes.input.payloads
                typed += [(payload, TYPES[activity_of(event, history)].ask) for payload in inputs]
            case "activity_task_completed":
                results = event.activity_task_completed_event_attributes.result.payloads
                typed += [(payload, TYPES[activity_of(event, history)].reply) for payload in results]
            case "workflow_execution_update_accepted":
                update = event.workflow_execution_update_accepted_event_attributes.accepted_request.input
                typed += [(payload, UPDATES[update.name][0]) for payload in update.args.payloads]
            case "workflow_execution_update_completed":
                completed = event.workflow_execution_update_completed_event_attributes
                accepted = history.events[completed.accepted_event_id - 1]
                name = accepted.workflow_execution_update_accepted_event_attributes.accepted_request.input.name
                typed += [(payload, UPDATES[name][1]) for payload in completed.outcome.success.payloads]
            case "marker_recorded" if event.marker_recorded_event_attributes.marker_name == "core_local_activity":
                details = event.marker_recorded_event_attributes.details
                name = json.loads(details["data"].payloads[0].data)["activity_type"]
                typed += [(payload, TYPES[name].reply) for payload in details["result"].payloads]
            case "workflow_execution_continued_as_new":
                state = event.workflow_execution_continued_as_new_event_attributes.input.payloads
                typed += [(payload, AgentInput) for payload in state]
            case "workflow_execution_completed":
                result = event.workflow_execution_completed_event_attributes.result.payloads
                typed += [(payload, RunResult) for payload in result]
            case _:
                pass
    return typed


def strings_of(history: WorkflowHistory) -> list[str]:
    return [text for event in history.events for text in strings(event)]
