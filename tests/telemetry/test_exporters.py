"""Spans and events go to a file, a collector or standard error, by the settings; a process that ends loses none."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from activities.settings import ROOT, environment_with
from tests.telemetry.stub_collector import StubCollector


def record_one(state: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Record one span and three events in a new process, with this state folder."""
    environment = environment_with(PERDURE_PATHS__STATE=str(state), **settings)
    command = [sys.executable, "-m", "tests.telemetry.one_span"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=60)


def spans_in(state: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (state / "traces" / "spans.jsonl").read_text().splitlines()]


@pytest.fixture
def collector() -> Iterator[StubCollector]:
    with StubCollector() as server:
        yield server


def test_spans_go_to_a_file_one_json_object_a_line(tmp_path: Path) -> None:
    record_one(tmp_path)
    record_one(tmp_path)
    spans = spans_in(tmp_path)
    assert [span["name"] for span in spans] == ["one span", "one span"]
    assert spans[0]["resource"]["attributes"]["service.name"] == "perdure-worker"


def test_spans_go_to_a_collector_where_one_is_set(tmp_path: Path, collector: StubCollector) -> None:
    record_one(tmp_path, PERDURE_TELEMETRY__OTLP_ENDPOINT=collector.url + "/")
    assert [path for path, _ in collector.posts] == ["/v1/traces"]
    assert collector.names() == ["one span"]
    assert not (tmp_path / "traces").exists()


def test_events_are_json_lines_on_standard_error_with_the_ids_of_their_span(tmp_path: Path) -> None:
    process = record_one(tmp_path)
    (span,) = spans_in(tmp_path)
    events = [json.loads(line) for line in process.stderr.splitlines()]
    assert process.stdout == ""
    assert [(event["event"], event["level"]) for event in events] == [
        ("something_happened", "info"),
        ("something_failed", "error"),
    ]
    assert {(event["trace_id"], event["span_id"]) for event in events} == {
        (span["context"]["trace_id"].removeprefix("0x"), span["context"]["span_id"].removeprefix("0x"))
    }


def test_the_level_of_events_is_a_setting(tmp_path: Path) -> None:
    process = record_one(tmp_path, PERDURE_TELEMETRY__LOG_LEVEL="debug")
    assert "something_small" in process.stderr


def test_a_traceback_in_an_event_shows_no_variable(tmp_path: Path) -> None:
    process = record_one(tmp_path)
    failed = json.loads(process.stderr.splitlines()[-1])
    assert failed["exception"][0]["exc_type"] == "ValueError"
    assert "the words of a prompt" not in process.stderr
