"""Payloads read without their contracts, so that payloads of older and newer versions can be read as well."""

import json
from typing import Any

from temporalio.api.common.v1 import Payload, Payloads


def decoded(payload: Payload) -> Any:
    """Return the JSON value of a payload; None for anything else: sealed, in external storage, or binary."""
    if payload.metadata.get("encoding", b"").partition(b"/")[0] != b"json":
        return None
    try:
        return json.loads(payload.data)
    except (ValueError, RecursionError):
        return None


def first(payloads: Payloads) -> Any:
    """Return the value of the first payload; None where there is none."""
    return decoded(payloads.payloads[0]) if payloads.payloads else None


def part(value: Any, *path: str) -> Any:
    """Return the value at this path of nested JSON objects; None where there is none."""
    for step in path:
        if not isinstance(value, dict):
            return None
        value = value.get(step)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - JSON
    return value  # pyright: ignore[reportUnknownVariableType] - JSON
