"""Drops headers of traces that cannot be read: the tracing interceptor would fail a run's task over one for ever."""

import json
from collections.abc import Mapping
from typing import Any, Final, cast

from temporalio.api.common.v1 import Payload

TRACE: Final = "_tracer-data"
"""The header in which OpenTelemetry's plugin carries the context of a trace; a test holds it to its version."""

LONGEST: Final = 16 * 1024
"""Bytes. W3C allows 8,192 of baggage."""

JOBS: Final = ("initialize_workflow", "signal_workflow", "do_update", "query_workflow")
"""What comes to a run from outside, with headers that anybody may have written."""


def drop_unreadable(activation: Any) -> None:
    """Take from an activation each header of a trace that is none. The rest of a message is as good without it."""
    for job in activation.jobs:
        kind = job.WhichOneof("variant")
        if kind in JOBS:
            headers: Any = getattr(job, kind).headers
            if TRACE in headers and not is_trace(headers[TRACE]):
                del headers[TRACE]


def is_trace(payload: Payload) -> bool:
    """Whether a payload is what a tracing interceptor writes: a JSON object of plain strings."""
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
