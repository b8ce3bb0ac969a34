"""Credentials as JSON Web Tokens, verified by joserfc with the keys that the settings name."""

import json
import warnings
from datetime import UTC, datetime
from typing import Any

from joserfc import jwt
from joserfc.errors import ExpiredTokenError, InvalidKeyIdError, JoseError, SecurityWarning
from joserfc.jwk import ECKey, JWKRegistry, KeySet, OctKey, OKPKey, RSAKey

from activities.ports import BadCredential, NotConfigured
from activities.settings.groups import Signatures

LEEWAY = 30
"""Seconds by which two clocks may differ."""

SHORTEST_SECRET = 32
"""Bytes of a shared secret: below it, it could be guessed from one credential."""

ALGORITHMS = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512"),
    "OKP": ("Ed25519", "EdDSA"),
    "oct": ("HS256", "HS384", "HS512"),
}
"""What a key of each kind may sign with. A public key is never taken for a shared secret."""

Key = RSAKey | ECKey | OKPKey | OctKey


class SignedCredentials:
    """`Credentials`, for use from one event loop."""

    def __init__(
        self, settings: Signatures, group: str = "APPROVALS", again: str = "sign a new one, for a new decision_id"
    ) -> None:
        """`group` is the settings' own name, `again` what helps once a credential has expired.

        Raises `NotConfigured` for keys that cannot be used.
        """
        self._settings = settings
        self._named, self._again = f"PERDURE_{group}__KEYS", again
        keys = [] if settings.keys is None else _keys(settings.keys.get_secret_value(), self._named)
        # Identity services name their keys, and a PEM or a lone key has no name: then there is only one to try.
        lone = keys[0] if len(keys) == 1 and keys[0].get("kid") is None else None
        self._keys: KeySet | Key | None = lone or (KeySet(list(keys)) if keys else None)
        self._algorithms = sorted({name for key in keys for name in ALGORITHMS[key.key_type]})

    def claims(self, credential: str, at: datetime | None = None) -> dict[str, Any]:
        if self._keys is None:
            raise BadCredential(f"no key is known here: set {self._named}")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SecurityWarning)  # `EdDSA` is an older name for `Ed25519`
                token = jwt.decode(credential, self._keys, algorithms=self._algorithms)
            self._rules(at or datetime.now(UTC)).validate(token.claims)
        except ExpiredTokenError:
            raise BadCredential(f"it has expired: {self._again}") from None
        except InvalidKeyIdError:
            raise BadCredential("it was signed with a key that is not known here") from None
        except JoseError as error:
            # Its words name a claim or an algorithm; its description may hold a value.
            claim = getattr(error, "claim", None)
            raise BadCredential(f"{error.error}{f' ({claim})' if claim else ''}") from None
        except (ValueError, TypeError, KeyError):
            raise BadCredential("it is no signed JWT") from None
        lifetime = token.claims["exp"] - token.claims["iat"]
        if lifetime > self._settings.longest.total_seconds():
            longest = int(self._settings.longest.total_seconds())
            raise BadCredential(f"it is good for {lifetime:.0f} s, and {longest} s are the longest: sign a shorter one")
        return dict(token.claims)

    def _rules(self, at: datetime) -> jwt.JWTClaimsRegistry:
        issuer: dict[str, Any] = {} if self._settings.issuer is None else {"iss": _exactly(self._settings.issuer)}
        return jwt.JWTClaimsRegistry(
            now=int(at.timestamp()),
            leeway=LEEWAY,
            exp={"essential": True},
            iat={"essential": True},
            aud=_exactly(self._settings.audience),
            sub={"essential": True},
            **issuer,
        )


def _exactly(value: str) -> Any:
    return {"essential": True, "value": value}


def _keys(given: str, where: str) -> list[Key]:
    """The keys of a JWK, a set of them, or a PEM. Raises `NotConfigured`, which holds nothing of them."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # a short secret is refused below
            keys = _read(given.strip())
    except (JoseError, ValueError, TypeError, KeyError):
        raise NotConfigured(f"{where}: give a JSON Web Key, a set of them, or a public key as PEM") from None
    for key in keys:
        if isinstance(key, OctKey) and len(key.raw_value) < SHORTEST_SECRET:
            raise NotConfigured(f"{where}: a shared secret needs {SHORTEST_SECRET} bytes, better is a public key")
    return keys


def _read(given: str) -> list[Key]:
    if given.startswith("{"):
        read = json.loads(given)
        given_keys: list[Any] = read.get("keys", [read])
        if len(given_keys) == 1:  # a set would give it a name
            return [JWKRegistry.import_key(given_keys[0])]
        return list(KeySet.import_key_set({"keys": given_keys}).keys)
    for kind in (RSAKey, ECKey, OKPKey):
        try:
            return [kind.import_key(given)]
        except (JoseError, ValueError, TypeError):
            continue
    raise ValueError("no PEM of a known kind")
