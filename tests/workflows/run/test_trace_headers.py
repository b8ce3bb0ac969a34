"""A header of a trace that cannot be read is dropped before a tracing interceptor fails the run over it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.contrib.opentelemetry import _otel_interceptor
from temporalio.converter import PayloadConverter

from workflows.trace_headers import JOBS, LONGEST, TRACE, drop_unreadable, is_trace

PARENT = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
[GENUINE] = PayloadConverter.default.to_payloads([PARENT])

interceptor: Any = _otel_interceptor

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def bad(data: bytes, encoding: bytes = b"json/plain") -> Payload:
    return Payload(metadata={"encoding": encoding}, data=data)


JUNK = [
    Payload(),
    bad(b"{}", b"no/such"),
    bad(b"{}", b"binary/plain"),
    bad(b"{"),
    bad(b"\xff"),
    bad(b"[" * 10_000),
    bad(b"7"),
    bad(json.dumps({"traceparent": 7}).encode()),
    bad(json.dumps({"traceparent": [[]]}).encode()),
    bad(json.dumps({"traceparent": "\ud800"}).encode()),
    bad(json.dumps({"baggage": "x" * LONGEST}).encode()),
]


@pytest.mark.parametrize("job", JOBS)
def test_only_what_is_a_trace_stays(job: str) -> None:
    for payload in (*JUNK, GENUINE):
        activation = WorkflowActivation()
        headers = getattr(activation.jobs.add(), job).headers
        headers["other"].CopyFrom(payload)
        headers[TRACE].CopyFrom(payload)
        drop_unreadable(activation)
        assert (TRACE in headers) == (payload is GENUINE)
        assert "other" in headers


@given(carrier=json_values | st.dictionaries(st.sampled_from(["traceparent", "tracestate", "baggage"]), json_values))
def test_what_stays_raises_nothing_in_the_interceptor(carrier: Any) -> None:
    payload = bad(json.dumps(carrier).encode())
    if is_trace(payload):
        interceptor._headers_to_context({TRACE: payload})  # noqa: SLF001


def test_what_is_dropped_is_not_what_the_interceptor_writes() -> None:
    assert is_trace(GENUINE)
    assert interceptor._headers_to_context({TRACE: GENUINE})  # noqa: SLF001
