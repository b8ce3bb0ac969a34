"""SGLang's additions to OpenAI's protocol: a name for each request, its priority, and a salt for each tenant."""

import hashlib
import secrets
from typing import Any

from activities.ports import Caller

MOST_URGENT, LEAST_URGENT = 1, 5
"""The range of Temporal's priorities."""

PRIORITY_STEP = 2
"""The distance between two priorities. The largest difference, 8, stays below SGLang's preemption threshold of 10: an
urgent request goes first in the queue, but preempts no request that is running."""

SALT_DIGITS = 32


def request_name(caller: Caller) -> str:
    """Return the `rid` of one request.

    SGLang aborts every request whose name starts with the given one, and refuses the name of a running request. So no
    name is the start of another one, and none is used twice.
    """
    return f"{caller.request_id}-{secrets.token_hex(8)}"


def priority(temporal: int) -> int:
    """Return SGLang's priority, where a larger number is more urgent, for Temporal's, where 1 is the most urgent."""
    return PRIORITY_STEP * (LEAST_URGENT - min(max(temporal, MOST_URGENT), LEAST_URGENT))


def salt(tenant: str) -> str:
    """Return the salt that separates a tenant's cached prefixes. A server's log shows it, so it is a digest."""
    return hashlib.sha256(f"perdure/cache/{tenant}".encode()).hexdigest()[:SALT_DIGITS]


def fields(caller: Caller, rid: str) -> dict[str, Any]:
    """Return SGLang's own fields of a request's body."""
    return {"rid": rid, "priority": priority(caller.priority), "cache_salt": salt(caller.tenant)}
