"""Reads from a reply's headers how long its server asks clients to wait."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

LONGEST_WAIT = timedelta(hours=1)
"""The longest wait that is respected: a server with a wrong clock must not stop a run for days."""

DURATION = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)(ms|[smhd])")
"""One part of a duration in OpenAI's form, such as `6m0s`."""

UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}

MAX_VALUE_LENGTH = 64
"""The longest header value that is read, in characters. A longer one is no time, and would be slow to parse."""

EPOCH_FROM = 1_000_000_000
"""The number from which on seconds are a moment since the epoch, and not a wait."""


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> timedelta | None:
    """Return how long the server asks clients to wait, by any of its headers; None where no header says it."""
    now = now or datetime.now(UTC)
    headers = {name: value for name, value in headers.items() if len(value) <= MAX_VALUE_LENGTH}
    if (milliseconds := headers.get("retry-after-ms")) is not None and (wait := _seconds(milliseconds)) is not None:
        return _bounded(wait / 1000)
    if (value := headers.get("retry-after")) is not None:
        wait = _seconds(value)
        if wait is None:
            wait = _until(value, now)
        if wait is not None:
            return _bounded(wait)
    # A server may send all its limits with every reply. Where it sends the remainder too, only a limit that is used up
    # can have refused.
    waits = [
        wait
        for name, value in headers.items()
        if "ratelimit" in name
        and "reset" in name
        and headers.get(name.replace("reset", "remaining"), "0") == "0"
        and (wait := _reset(value, now)) is not None
    ]
    return _bounded(max(waits)) if waits else None


def _seconds(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _until(text: str, now: datetime) -> float | None:
    """Return the seconds until a moment that is written as an HTTP date or in ISO 8601; None for anything else."""
    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = parse(text)
            return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds()
        except (ValueError, TypeError, OverflowError):
            continue
    return None


def _reset(text: str, now: datetime) -> float | None:
    """Return the seconds until a limit is reset, from `20ms`, `6m0s`, seconds, seconds of the epoch, or a moment."""
    if (number := _seconds(text)) is not None:
        return number - now.timestamp() if number > EPOCH_FROM else number
    if (parts := DURATION.findall(text)) and not DURATION.sub("", text):
        return sum(float(number) * UNITS[unit] for number, unit in parts)
    return _until(text, now)


def _bounded(seconds: float) -> timedelta | None:
    """Return the wait, from 0 to `LONGEST_WAIT`. The float is bounded first: a large one does not fit a `timedelta`."""
    if not math.isfinite(seconds):
        return None
    return timedelta(seconds=min(max(seconds, 0.0), LONGEST_WAIT.total_seconds()))
