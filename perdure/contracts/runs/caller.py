"""Who starts a run: the claims of a caller's token, how it is handed over, and who it says they are."""

import hashlib
from datetime import datetime, timedelta
from typing import Any

from pydantic import ConfigDict, Field

from perdure.contracts.contract import BadInput, Contract, Digest, Name
from perdure.contracts.runs.registry import ANONYMOUS

AUDIENCE = "perdure-callers"
"""Whom a caller's token is for, unless the workers' settings say otherwise. Not that of signed decisions: where one key
signs both, neither counts as the other."""

LIFETIME = timedelta(minutes=5)
"""How long one is good for, unless who signs says otherwise."""

LONGEST_TOKEN = 16 * 1024
"""Characters of a token."""

LONGEST_NAME = 200
"""Characters of a subject, a group or a role."""

MOST_NAMES = 500
"""Groups, and roles, in one token."""


class Identity(Contract):
    """Who started a run, as far as anybody has verified it."""

    subject: str = ANONYMOUS
    """The claim `sub`; `anonymous` where no token was shown."""
    groups: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()

    @classmethod
    def anonymous(cls) -> "Identity":
        """Whoever shows no token: nobody knows who they are, and they are in no group."""
        return cls()


class PresentCaller(Contract):
    """Verify the token of who is about to start a run, and keep who they are: a client asks for it, no workflow does.

    The run itself is told the ticket alone, since everything in its start stands in its history.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    tenant: Name
    workflow_id: str
    """Of the run that will be started; it begins with `tenant:`."""
    token: str = Field(repr=False)

    @property
    def ticket(self) -> Digest:
        """What the run is told in the place of the token."""
        return ticket_of(self.token, self.workflow_id)


class PresentedCaller(Contract):
    """What came of it."""

    subject: str = ""
    """Who they are; empty where the token was refused."""
    refused: str = ""
    """Why the token cannot be believed, in words that hold nothing of it; empty where it can."""


def ticket_of(token: str, workflow_id: str) -> Digest:
    """A digest of the token and of the one run that it was shown for: it is worth nothing for another run."""
    return hashlib.sha256(f"perdure caller\n{workflow_id}\n{token}".encode()).hexdigest()


def checked_token(token: object) -> str:
    """A token as a client sends it. Raises `BadInput`, whose words hold nothing of it."""
    remedy = "give the signed JWT that says who starts the run, or None for nobody in particular"
    if not isinstance(token, str):
        raise BadInput(f"caller_token: is of the type {type(token).__name__!r}: {remedy}")
    if not token:
        raise BadInput(f"caller_token: is empty: {remedy}")
    if len(token) > LONGEST_TOKEN:
        raise BadInput(f"caller_token: has {len(token):,} characters, over the limit of {LONGEST_TOKEN:,}: {remedy}")
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise BadInput(f"caller_token: holds characters that no JWT has: {remedy}")
    return token


def claims_of_caller(
    subject: str,
    *,
    tenant: str,
    now: datetime,
    groups: tuple[str, ...] = (),
    roles: tuple[str, ...] = (),
    run: str | None = None,
    issuer: str | None = None,
    audience: str = AUDIENCE,
    lifetime: timedelta = LIFETIME,
    token_id: str | None = None,
) -> dict[str, Any]:
    """What an identity service signs, as a JWT with a key that the workers know, once it knows who the caller is.

    It is good for runs of `tenant`, and with `run`, a Temporal workflow id `tenant:business id`, for that one alone.
    """
    issued = int(now.timestamp())
    claims: dict[str, Any] = {
        "aud": audience,
        "iat": issued,
        "exp": issued + int(lifetime.total_seconds()),
        "sub": subject,
        "tenant": tenant,
        "groups": list(groups),
        "roles": list(roles),
    }
    named = {"run": run, "iss": issuer, "jti": token_id}
    return claims | {name: value for name, value in named.items() if value is not None}
