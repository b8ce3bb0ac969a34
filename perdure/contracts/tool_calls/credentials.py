"""The claims of a signed decision: who decides what about which step of which run, and until when."""

from datetime import datetime, timedelta
from typing import Any

from perdure.contracts.tool_calls.decisions import StepDecision

AUDIENCE = "perdure"
"""The default audience of a credential; the workers' settings can change it."""

LIFETIME = timedelta(minutes=5)
"""The default lifetime of a credential."""


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
    """Return the claims that an identity service signs once it has authenticated the person `by`.

    It signs them as a JWT, with a key that the workers know; the JWT becomes the decision's `credential`. `run` is the
    Temporal workflow id, `tenant:business id`. An id may be used again, so the `digest` of what the person saw also
    names the tenant and the run's first execution. The claims name one step as it was seen, one ruling and, by `said`,
    all content of the decision. So a stolen credential can only repeat the same decision about the same run, and gets
    the same reply.
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
