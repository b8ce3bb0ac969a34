"""The safe point of a failed run: before the first attempt of the step that failed, after all that succeeded."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

from perdure.history.safe_point import SafePoint, safe_point

HISTORIES = Path(__file__).resolve().parent.parent / "replay" / "histories"

SCHEDULED, COMPLETED, FAILED = (
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED,
)


class HistoryBuilder:
    """A history that a test builds event by event."""

    def __init__(self) -> None:
        self.events: list[HistoryEvent] = []

    def add(self, kind: EventType.ValueType) -> HistoryEvent:
        self.events.append(HistoryEvent(event_id=len(self.events) + 1, event_type=kind))
        return self.events[-1]

    def task(self) -> int:
        """Add the end of a workflow task, and return its id."""
        return self.add(EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED).event_id

    def schedule(self, effect: str, step: str, task: int) -> int:
        event = self.add(SCHEDULED)
        attributes = event.activity_task_scheduled_event_attributes
        attributes.activity_type.name = effect
        attributes.workflow_task_completed_event_id = task
        data = json.dumps({"key": {"step": step}} if step else {}).encode()
        attributes.input.payloads.append(Payload(metadata={"encoding": b"json/plain"}, data=data))
        return event.event_id

    def close(self, scheduled: int, *, succeeded: bool) -> None:
        if succeeded:
            self.add(COMPLETED).activity_task_completed_event_attributes.scheduled_event_id = scheduled
        else:
            self.add(FAILED).activity_task_failed_event_attributes.scheduled_event_id = scheduled

    def attempt(self, effect: str, step: str, *, succeeded: bool) -> int:
        """Add one attempt from its scheduling to its end, and return the workflow task that scheduled it."""
        task = self.task()
        self.close(self.schedule(effect, step, task), succeeded=succeeded)
        return task

    def signal(self) -> None:
        event = self.add(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED)
        event.workflow_execution_signaled_event_attributes.signal_name = "decide"

    def fail(self, reason: str) -> None:
        self.task()
        event = self.add(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED)
        event.workflow_execution_failed_event_attributes.failure.message = reason


@given(st.lists(st.integers(0, 3), max_size=6), st.integers(1, 5))
def test_it_goes_on_before_the_first_of_the_attempts_that_failed_at_last(before: list[int], attempts: int) -> None:
    history = HistoryBuilder()
    for number, failures in enumerate(before):
        for _ in range(failures):
            history.attempt("think", f"think-{number}", succeeded=False)
        history.attempt("think", f"think-{number}", succeeded=True)
    tasks = [history.attempt("think", "think-last", succeeded=False) for _ in range(attempts)]
    history.fail("think: gave up")
    assert safe_point(history.events) == SafePoint(tasks[0], ("think think-last",))


@given(st.sampled_from(["act", "settle_call"]))
def test_a_failure_that_the_run_went_on_after_is_not_to_blame(effect: str) -> None:
    history = HistoryBuilder()
    history.attempt(effect, "call-1-1", succeeded=False)
    history.attempt("think", "think-2", succeeded=True)
    task = history.attempt("act", "call-2-1", succeeded=False)
    history.fail("act: call-2-1: gave up after 1 attempts")
    assert safe_point(history.events) == SafePoint(task, ("act call-2-1",))


@given(st.integers(1, 4), st.integers(0, 4))
def test_a_decision_that_came_between_two_attempts_stays_where_it_is(before: int, after: int) -> None:
    history = HistoryBuilder()
    tasks = [history.attempt("act", "call-1-1", succeeded=False) for _ in range(before)]
    history.signal()
    tasks += [history.attempt("act", "call-1-1", succeeded=False) for _ in range(after)]
    history.fail("act: call-1-1: gave up")
    expected = tasks[before] if after else tasks[-1]
    assert safe_point(history.events) == SafePoint(expected, ("act call-1-1",))


def test_without_a_step_to_blame_the_last_task_is_done_anew() -> None:
    history = HistoryBuilder()
    history.attempt("think", "think-1", succeeded=True)
    history.fail("handed_over: only an execution that was continued may have it")
    assert safe_point(history.events) == SafePoint(history.events[-2].event_id)
    assert safe_point([]) is None


@pytest.mark.parametrize("recorded", sorted(HISTORIES.glob("*failed*.json")), ids=lambda path: path.stem)
def test_every_recorded_run_that_failed_has_a_point_before_its_paid_step(recorded: Path) -> None:
    events = WorkflowHistory.from_json("recorded", recorded.read_text()).events
    point = safe_point(events)
    assert point is not None
    assert point.again in (("think think-1",), ("generate generate",))
    assert events[point.event - 1].event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    effect = point.again[0].split()[0]
    paid = [event for event in events if event.activity_task_scheduled_event_attributes.activity_type.name == effect]
    assert point.event == paid[0].activity_task_scheduled_event_attributes.workflow_task_completed_event_id
