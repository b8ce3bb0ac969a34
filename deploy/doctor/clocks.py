"""Compares the clock of this machine with those of the servers: signatures, deadlines and days depend on them."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx

from deploy.doctor.finding import Finding, ok, warn, wrong

AHEAD = timedelta(seconds=2)
"""The difference of two clocks that is taken for none: an HTTP date has whole seconds."""

LEEWAY = timedelta(seconds=30)
"""The difference from which on valid signatures of people and callers are refused."""


def compared(name: str, server: str, difference: timedelta) -> Finding:
    """Return the finding for a server whose clock is ahead of ours by this much; behind, if it is negative."""
    size, side = abs(difference), "ahead of" if difference > timedelta(0) else "behind"
    if size <= AHEAD:
        return ok(name, f"{server} is at most {AHEAD.seconds} s apart")
    what = f"{server} is {size.total_seconds():.0f} s {side} this machine"
    remedy = "let both follow one time server (`timedatectl`, chrony): signatures and deadlines depend on it"
    return wrong(name, what, remedy) if size > LEEWAY else warn(name, what, remedy)


def of_answer(name: str, server: str, answer: httpx.Response, asked: datetime) -> Finding | None:
    """Return the finding for a server's `Date` header; None where it sends none."""
    try:
        shown = parsedate_to_datetime(answer.headers["date"])
    except (KeyError, ValueError):
        return None
    middle = asked + (datetime.now(UTC) - asked) / 2
    return compared(name, server, shown - middle + timedelta(seconds=0.5))
