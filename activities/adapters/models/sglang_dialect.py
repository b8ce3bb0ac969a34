"""What SGLang takes beyond OpenAI's protocol: a name for each request, its priority, and a salt for each tenant."""

import hashlib
import secrets
from typing import Any

from activities.ports import Caller

MOST_URGENT, LEAST_URGENT = 1, 5
"""Temporal's priorities."""

STEP = 2
"""Between two priorities. The widest difference, 8, stays below SGLang's preemption threshold of 10: an urgent request
goes first in the queue, and none that is being answered is thrown back."""

SALT_DIGITS = 32


def request_name(caller: Caller) -> str:
    """The `rid` of one request.

    SGLang aborts every request whose name begins with the one it is given, and refuses a name that it is working on:
    so no name is the beginning of another's, and none is used twice.
    """
    return f"{caller.request_id}-{secrets.token_hex(8)}"


def priority(temporal: int) -> int:
    """SGLang's priority, of which the larger wins, for Temporal's, of which 1 does."""
    return STEP * (LEAST_URGENT - min(max(temporal, MOST_URGENT), LEAST_URGENT))


def salt(tenant: str) -> str:
    """What keeps a tenant's cached beginnings apart from the others'. A server's log shows it, so it is no name."""
    return hashlib.sha256(f"perdure/cache/{tenant}".encode()).hexdigest()[:SALT_DIGITS]


def fields(caller: Caller, rid: str) -> dict[str, Any]:
    """The fields of a request's body."""
    return {"rid": rid, "priority": priority(caller.priority), "cache_salt": salt(caller.tenant)}
