"""The caller of a run: the claims of a caller's token, how it reaches the platform, and the verified identity."""

import hashlib
from datetime import datetime, timedelta
from typing import Any

from pydantic import ConfigDict, Field

from perdure.contracts.contract import BadInput, Contract, Digest, Name
from perdure.contracts.runs.registry import ANONYMOUS

AUDIENCE = "perdure-callers"
"""The default audience of a caller's token; the workers' settings can change it. It differs from the audience of signed
decisions: where one key signs both, a token for one use is invalid for the other."""

LIFETIME = timedelta(minutes=5)
"""The default lifetime of a token."""

LONGEST_TOKEN = 16 * 1024
"""The most characters of a token."""

LONGEST_NAME = 200
"""The most characters of a subject, a group or a role."""

MOST_NAMES = 500
"""The most groups in one token, and the most roles."""


class Identity(Contract):
    """The verified identity of the caller who started a run."""

    subject: str = ANONYMOUS
    """The claim `sub`; `anonymous` where no token was shown."""
    groups: tuple[str, ...] = ()
    """The groups that the token names; empty for none."""
    roles: tuple[str, ...] = ()
    """The roles that the token names; empty for none."""

    @classmethod
    def anonymous(cls) -> "Identity":
        """Return the identity of a caller without a token: no name and no groups."""
        return cls()


class PresentCaller(Contract):
    """Verify the token of the caller who is about to start a run, and store the identity.

    A client requests it, never a workflow. The run itself gets only the ticket, because its history records everything
    that starts it.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    tenant: Name
    workflow_id: str
    """The workflow id of the run that will be started; it begins with `tenant:`."""
    token: str = Field(repr=False)
    """The signed JWT."""

    @property
    def ticket(self) -> Digest:
        """The ticket that the run gets in the place of the token."""
        return ticket_of(self.token, self.workflow_id)


class PresentedCaller(Contract):
    """The verdict on a caller's token. Both fields are empty where no worker has verified it yet."""

    subject: str = ""
    """The caller's name; empty where the token was refused."""
    refused: str = ""
    """Why the token was refused, without any part of the token; empty where it is valid."""


def ticket_of(token: str, workflow_id: str) -> Digest:
    """Return the ticket: a digest of the token and of the run it was shown for. It is useless for any other run."""
    return hashlib.sha256(f"perdure caller\n{workflow_id}\n{token}".encode()).hexdigest()


def checked_token(token: object) -> str:
    """Return a valid token as a client sends it. Raises `BadInput`, whose message holds no part of the token."""
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
    """Return the claims that an identity service signs once it has authenticated the caller.

    It signs them as a JWT, with a key that the workers know. The token is valid for runs of `tenant`; with `run`, a
    Temporal workflow id `tenant:business id`, only for that one.
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
