"""Payloads read without their contracts: what an older or newer version wrote is told as far as it can be read."""

import json
from typing import Any

from temporalio.api.common.v1 import Payload, Payloads


def decoded(payload: Payload) -> Any:
    """The JSON in a payload; None where it is something else: sealed, outside of the history, or binary."""
    if payload.metadata.get("encoding", b"").partition(b"/")[0] != b"json":
        return None
    try:
        return json.loads(payload.data)
    except (ValueError, RecursionError):
        return None


def first(payloads: Payloads) -> Any:
    """The first of some payloads; None where there is none."""
    return decoded(payloads.payloads[0]) if payloads.payloads else None


def part(value: Any, *path: str) -> Any:
    """What is at this path of JSON objects; None where there is none."""
    for step in path:
        if not isinstance(value, dict):
            return None
        value = value.get(step)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - JSON
    return value  # pyright: ignore[reportUnknownVariableType] - JSON
