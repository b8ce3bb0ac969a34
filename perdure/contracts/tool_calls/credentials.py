"""The claims of a signed decision: who says what about which step of which run, and until when."""

from datetime import datetime, timedelta
from typing import Any

from perdure.contracts.tool_calls.decisions import StepDecision

AUDIENCE = "perdure"
"""Whom a credential is for, unless the workers' settings say otherwise."""

LIFETIME = timedelta(minutes=5)
"""How long one is good for, unless who signs says otherwise."""


def claims_of(
    decision: StepDecision,
    run: str,
    *,
    now: datetime,
    groups: tuple[str, ...] = (),
    issuer: str | None = None,
    audience: str = AUDIENCE,
    lifetime: timedelta = LIFETIME,
) -> dict[str, Any]:
    """What an identity service signs, as a JWT with a key that the workers know, once it knows that it is `by`.

    `run` is the Temporal workflow id, `tenant:business id`; an id may be used again, so the `digest` of what was seen
    names the tenant and the run's first execution as well. The claims name one step as it was seen, one ruling and, by
    `said`, every word of the decision: whoever reads the credential later can only say the same again about the same
    run, and is answered as before. The signed JWT becomes the decision's `credential`.
    """
    issued = int(now.timestamp())
    claims: dict[str, Any] = {
        "aud": audience,
        "iat": issued,
        "exp": issued + int(lifetime.total_seconds()),
        "jti": decision.decision_id,
        "sub": decision.by,
        "run": run,
        "step": decision.step,
        "digest": decision.digest,
        "ruling": decision.ruling.value,
        "said": decision.content,
        "groups": list(groups),
    }
    return claims if issuer is None else {**claims, "iss": issuer}
