"""How long a server asks to be left alone, from the headers of its reply."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

LONGEST_WAIT = timedelta(hours=1)
"""What a server may ask for; a clock that is wrong must not park a run for days."""

DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhd])")
"""One part of `6m0s`, as OpenAI writes it."""

UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}

LONGEST_VALUE = 64
"""Characters. What is longer is no time that anybody meant, and would take long to read."""

EPOCH_FROM = 1_000_000_000
"""From here on a number of seconds is a moment, not a wait."""


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> timedelta | None:
    """How long the server asks to be left alone, by any header that says so; None where none does."""
    now = now or datetime.now(UTC)
    headers = {name: value for name, value in headers.items() if len(value) <= LONGEST_VALUE}
    if (exact := headers.get("retry-after-ms")) is not None and (wait := _seconds(exact)) is not None:
        return _bounded(wait / 1000)
    if (said := headers.get("retry-after")) is not None:
        wait = _seconds(said)
        if wait is None:
            wait = _until(said, now)
        if wait is not None:
            return _bounded(wait)
    # A server may tell all its limits with every reply: of those whose remainder it tells, one that is used up refused.
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
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _until(text: str, now: datetime) -> float | None:
    """Seconds until a moment, as an HTTP date or in ISO 8601."""
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = read(text)
            return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds()
        except (ValueError, TypeError, OverflowError):
            continue
    return None


def _reset(text: str, now: datetime) -> float | None:
    """Seconds until a limit is reset: `20ms`, `6m0s`, seconds, seconds of the epoch, or a moment."""
    if (number := _seconds(text)) is not None:
        return number - now.timestamp() if number > EPOCH_FROM else number
    if (parts := DURATION.findall(text)) and not DURATION.sub("", text):
        return sum(float(number) * UNITS[unit] for number, unit in parts)
    return _until(text, now)


def _bounded(seconds: float) -> timedelta | None:
    """The wait, within bounds: it is compared as a number, since few numbers of seconds fit into a `timedelta`."""
    if not math.isfinite(seconds):
        return None
    return timedelta(seconds=min(max(seconds, 0.0), LONGEST_WAIT.total_seconds()))
