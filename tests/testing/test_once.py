"""`assert_once` names what was written twice and what was not, and `kill_points` name every event but the last."""

from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory

from activities.settings import ROOT
from perdure.testing import KillPoint, assert_once, kill_points

RECORDED = ROOT / "tests" / "replay" / "histories" / "answered-with-an-older-edition.json"


def test_writes_that_happened_once_are_fine() -> None:
    assert_once({"a": 1, "b": 1})
    assert_once(["a", "b"], ["b", "a"])
    assert_once(["a", "b"], 2)
    assert_once([], 0)


@pytest.mark.parametrize(
    ("counted", "expected", "said"),
    [
        ({"a": 1, "b": 2}, None, "'b': 2 times"),
        (["a", "a", "a"], ["a"], "'a': 3 times"),
        ({"a": 1}, ["a", "b"], "'b': 0 times"),
        (["a", "c"], ["a"], "'c' was not expected"),
        ({"a": 1}, 2, "1 different keys instead of 2"),
        ({}, None, "nothing was written"),
        ({"a": 0}, None, "'a': 0 times"),
    ],
)
def test_any_other_count_is_told_with_its_key(
    counted: dict[str, int] | list[str], expected: list[str] | int | None, said: str
) -> None:
    with pytest.raises(AssertionError) as error:
        assert_once(counted, expected)
    assert str(error.value) == f"each write must happen once: {said}"


def test_a_worker_may_be_killed_at_every_event_but_the_last() -> None:
    history = WorkflowHistory.from_json("recorded", Path(RECORDED).read_text())
    points = kill_points(history)
    assert [point.event for point in points] == list(range(1, len(history.events)))
    assert points[0] == KillPoint(1, "workflow_execution_started")
    assert "activity_task_completed generate" in [point.name for point in points]
    assert str(points[1]) == "02 workflow_task_scheduled"
