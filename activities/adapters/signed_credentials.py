"""Verifies credentials that are JSON Web Tokens, by joserfc and with the keys from the settings."""

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
"""The largest difference between two clocks, in seconds."""

MIN_SECRET_BYTES = 32
"""The shortest shared secret, in bytes. A shorter one could be guessed from one credential."""

ALGORITHMS = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512"),
    "OKP": ("Ed25519", "EdDSA"),
    "oct": ("HS256", "HS384", "HS512"),
}
"""The algorithms that a key of each kind may sign with. A public key is never used as a shared secret."""

Key = RSAKey | ECKey | OKPKey | OctKey


class SignedCredentials:
    """`Credentials`, for use from one event loop."""

    def __init__(
        self, settings: Signatures, group: str = "APPROVALS", remedy: str = "sign a new one, for a new decision_id"
    ) -> None:
        """`group` is the name of the settings' group; `remedy` says what to do about an expired credential.

        Raises `NotConfigured` for keys that cannot be used.
        """
        self._settings = settings
        self._setting, self._remedy = f"PERDURE_{group}__KEYS", remedy
        keys = [] if settings.keys is None else _keys(settings.keys.get_secret_value(), self._setting)
        # Identity services name their keys. A PEM or a single key may have no name: then it is the only one to try.
        unnamed_key = keys[0] if len(keys) == 1 and keys[0].get("kid") is None else None
        self._keys: KeySet | Key | None = unnamed_key or (KeySet(list(keys)) if keys else None)
        self._algorithms = sorted({name for key in keys for name in ALGORITHMS[key.key_type]})

    def claims(self, credential: str, at: datetime | None = None) -> dict[str, Any]:
        if self._keys is None:
            raise BadCredential(f"no key is known here: set {self._setting}")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SecurityWarning)  # `EdDSA` is an older name for `Ed25519`
                token = jwt.decode(credential, self._keys, algorithms=self._algorithms)
            self._claim_rules(datetime.now(UTC) if at is None else at).validate(token.claims)
        except ExpiredTokenError:
            raise BadCredential(f"it has expired: {self._remedy}") from None
        except InvalidKeyIdError:
            raise BadCredential("it was signed with a key that is not known here") from None
        except JoseError as error:
            # `error.error` names a claim or an algorithm; the description may hold a value.
            claim = getattr(error, "claim", None)
            raise BadCredential(f"{error.error}{f' ({claim})' if claim else ''}") from None
        except (ValueError, TypeError, KeyError):
            raise BadCredential("it is no signed JWT") from None
        lifetime = token.claims["exp"] - token.claims["iat"]
        if lifetime > self._settings.longest.total_seconds():
            longest = int(self._settings.longest.total_seconds())
            raise BadCredential(f"it is good for {lifetime:.0f} s, and {longest} s are the longest: sign a shorter one")
        return dict(token.claims)

    def _claim_rules(self, at: datetime) -> jwt.JWTClaimsRegistry:
        issuer: dict[str, Any] = {} if self._settings.issuer is None else {"iss": _required(self._settings.issuer)}
        return jwt.JWTClaimsRegistry(
            now=int(at.timestamp()),
            leeway=LEEWAY,
            exp={"essential": True},
            iat={"essential": True},
            aud=_required(self._settings.audience),
            sub={"essential": True},
            **issuer,
        )


def _required(value: str) -> Any:
    return {"essential": True, "value": value}


def _keys(text: str, setting: str) -> list[Key]:
    """Return the keys of a JWK, a set of JWKs, or a PEM. Raises `NotConfigured`, whose message holds no key."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # a short secret is refused below
            keys = _parsed_keys(text.strip())
    except (JoseError, ValueError, TypeError, KeyError):
        raise NotConfigured(f"{setting}: give a JSON Web Key, a set of them, or a public key as PEM") from None
    for key in keys:
        if isinstance(key, OctKey) and len(key.raw_value) < MIN_SECRET_BYTES:
            raise NotConfigured(f"{setting}: a shared secret needs {MIN_SECRET_BYTES} bytes, better is a public key")
    return keys


def _parsed_keys(text: str) -> list[Key]:
    if text.startswith("{"):
        document = json.loads(text)
        entries: list[Any] = document.get("keys", [document])
        if len(entries) == 1:  # a set would give it a name
            return [JWKRegistry.import_key(entries[0])]
        return list(KeySet.import_key_set({"keys": entries}).keys)
    for kind in (RSAKey, ECKey, OKPKey):
        try:
            return [kind.import_key(text)]
        except (JoseError, ValueError, TypeError):
            continue
    raise ValueError("no PEM of a known kind")
