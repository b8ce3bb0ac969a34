"""Somebody who signs who the callers of the tests are."""

import json
from datetime import UTC, datetime
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from pydantic import SecretStr

from activities.settings import Callers
from perdure.contracts.runs.caller import claims_of_caller

KEY = ECKey.generate_key("P-256", parameters={"kid": "callers"})
"""What the tests' identity service signs with."""


def believing(*keys: ECKey, **settings: Any) -> Callers:
    """Settings under which what these keys sign is believed."""
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
    """A signed token; `claims` say something else than `claims_of_caller` makes of the rest, None leaves one out."""
    made = claims_of_caller(subject, tenant=tenant, now=now or datetime.now(UTC), **fields) | (claims or {})
    said = {name: value for name, value in made.items() if value is not None}
    return jwt.encode({"alg": "ES256", "kid": key.kid}, said, key, algorithms=["ES256"])
