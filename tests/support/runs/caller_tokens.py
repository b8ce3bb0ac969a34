"""An identity service that signs the caller tokens of the tests."""

import json
from datetime import UTC, datetime
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from pydantic import SecretStr

from activities.settings import Callers
from perdure.contracts.runs.caller import claims_of_caller

KEY = ECKey.generate_key("P-256", parameters={"kid": "callers"})
"""The key with which the tests' identity service signs."""


def believing(*keys: ECKey, **settings: Any) -> Callers:
    """Return settings that trust these keys."""
    return Callers(keys=SecretStr(json.dumps(KeySet(list(keys)).as_dict(private=False))), **settings)


def token(
    subject: str = "ada",
    *,
    tenant: str = "default",
    now: datetime | None = None,
    key: ECKey = KEY,
    claims: dict[str, Any] | None = None,
    **fields: Any,
) -> str:
    """Return a signed token; `claims` replaces claims of `claims_of_caller`, and None leaves one out."""
    all_claims = claims_of_caller(subject, tenant=tenant, now=now or datetime.now(UTC), **fields) | (claims or {})
    payload = {name: value for name, value in all_claims.items() if value is not None}
    return jwt.encode({"alg": "ES256", "kid": key.kid}, payload, key, algorithms=["ES256"])
