"""Drops trace headers that cannot be read: the tracing interceptor would fail the workflow task over them for ever."""

import json
from collections.abc import Mapping
from typing import Any, Final, cast

from temporalio.api.common.v1 import Payload

TRACE: Final = "_tracer-data"
"""The header with the trace context that OpenTelemetry's plugin writes; a test compares it with the plugin's own."""

LONGEST: Final = 16 * 1024
"""The largest trace header, in bytes; W3C allows 8,192 bytes of baggage."""

JOBS: Final = ("initialize_workflow", "signal_workflow", "do_update", "query_workflow")
"""The activation jobs that come from outside of the run, with headers that any client may have written."""


def drop_unreadable(activation: Any) -> None:
    """Remove unreadable trace headers from an activation. The messages themselves stay valid without them."""
    for job in activation.jobs:
        kind = job.WhichOneof("variant")
        if kind in JOBS:
            headers: Any = getattr(job, kind).headers
            if TRACE in headers and not is_trace(headers[TRACE]):
                del headers[TRACE]


def is_trace(payload: Payload) -> bool:
    """Return whether a payload is a trace context as the interceptor writes it: a JSON object of ASCII strings."""
    if payload.metadata.get("encoding") != b"json/plain" or len(payload.data) > LONGEST:
        return False
    try:
        carrier = json.loads(payload.data)
    except (ValueError, RecursionError):
        return False
    if not isinstance(carrier, Mapping):
        return False
    pairs = cast("Mapping[str, object]", carrier).items()
    return all(name.isascii() and isinstance(value, str) and value.isascii() for name, value in pairs)
