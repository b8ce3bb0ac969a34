"""The cause of a failed run: equal for runs that need one remedy, different for others, read from real histories."""

import inspect
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.client import WorkflowHistory

from activities.ports import errors
from activities.ports.errors import PortError
from activities.settings import ROOT
from perdure.history.causes import TAIL, cause_of, stable
from perdure.history.remedies import OTHERWISE, REMEDIES, remedy_of

HISTORIES = ROOT / "tests" / "replay" / "histories"

CAUSES = {
    "failed-because-the-model-refused": (
        "generate", "ModelRefused", "fast: the server refused the request (status 400)"),
    "agent-failed-because-the-model-refused": (
        "think", "ModelRefused", "fast: the server refused the request (status 400)"),
    "failed-after-every-attempt": (
        "generate", "ModelFailed", "fast: the call broke (InternalServerError, status 500)"),
    "failed-after-every-attempt-and-wait": (
        "generate", "ModelFailed", "fast: the connection broke before it answered: what the call cost is unknown"),
}  # fmt: skip

NUMBERS = st.integers(min_value=0, max_value=10**12).map(str)
IDS = st.one_of(
    st.uuids().map(str),
    st.text("0123456789abcdef", min_size=12, max_size=64).filter(lambda text: re.search(r"\d", text) is not None),
)
SPANS = st.one_of(
    st.timedeltas().filter(lambda span: span.total_seconds() >= 0).map(lambda span: str(span).partition(".")[0]),
    st.integers(min_value=0, max_value=10**6).map(lambda seconds: f"{seconds} seconds"),
    st.floats(min_value=0, max_value=10**6).map(lambda seconds: f"{seconds:.1f} s"),
)
MOMENTS = st.datetimes().map(lambda moment: moment.isoformat())
WORDS = st.text("abcdefghijklmnopqrstuvwxyz", min_size=3, max_size=12).map(lambda word: f"x{word}")


@pytest.mark.parametrize("name", sorted(CAUSES))
def test_the_cause_is_read_from_the_end_of_a_recorded_history(name: str) -> None:
    history = WorkflowHistory.from_json("default:run", (HISTORIES / f"{name}.json").read_text())
    cause = cause_of(history.events[-TAIL:], "run", "default")
    assert (cause.effect, cause.kind, cause.message) == CAUSES[name]


def test_every_recorded_failure_has_a_kind_with_a_remedy() -> None:
    kinds = {cause.kind: remedy_of(cause) for cause in (cause_of(history.events[-TAIL:]) for history in failed())}
    assert kinds
    assert OTHERWISE not in kinds.values(), kinds


@given(st.sampled_from((NUMBERS, IDS, SPANS, MOMENTS)), st.data(), WORDS, WORDS)
def test_what_differs_from_run_to_run_is_no_part_of_a_cause(
    kind: st.SearchStrategy[str], data: st.DataObject, before: str, after: str
) -> None:
    one, other = data.draw(kind), data.draw(kind)
    assert stable(f"{before} {one} {after}") == stable(f"{before} {other} {after}")


@given(WORDS, WORDS)
def test_different_words_are_different_causes(one: str, other: str) -> None:
    assert (stable(f"the {one} broke") == stable(f"the {other} broke")) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("nothing answers at http://127.0.0.1:8081/v1", "nothing answers at http://127.0.0.1:8082/v1"),
        ("the call broke (status 500)", "the call broke (status 503)"),
        (
            "KeyError at purchasing.py:84: this should not have happened",
            "KeyError at purchasing.py:90: this should not",
        ),
    ],
)
def test_servers_statuses_and_places_in_the_code_tell_causes_apart(one: str, other: str) -> None:
    assert stable(one) != stable(other)


@given(WORDS, WORDS, st.integers(1, 99), st.integers(1, 99))
def test_a_runs_own_names_are_no_part_of_its_cause(one: str, other: str, step: int, tries: int) -> None:
    first = stable(f"gave up after {tries} attempts, the last of which failed: call-{step}-1: run '{one}' is away", one)
    assert first == stable(f"run '{other}' is away", other)


def test_every_error_that_a_worker_raises_has_a_remedy() -> None:
    raised = {
        name
        for name, each in inspect.getmembers(errors, inspect.isclass)
        if issubclass(each, PortError) and each is not PortError
    }
    assert raised - set(REMEDIES) == set()


def failed() -> list[WorkflowHistory]:
    return [
        WorkflowHistory.from_json("default:run", text)
        for text in (path.read_text() for path in sorted(Path(HISTORIES).glob("*.json")))
        if any("workflowExecutionFailedEventAttributes" in event for event in json.loads(text)["events"])
    ]
