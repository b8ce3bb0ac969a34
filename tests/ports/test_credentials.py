"""A credential is believed if a known key signed it, for us, recently and for a short time; any other is refused."""

import base64
import hmac
import json
import time
from datetime import timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from pydantic import SecretStr

from activities.adapters.signed_credentials import Key, SignedCredentials
from activities.ports import BadCredential, NotConfigured
from activities.settings import Approvals

EC = ECKey.generate_key("P-256", parameters={"kid": "ec"})
RSA = RSAKey.generate_key(2048, parameters={"kid": "rsa"})
ED = OKPKey.generate_key("Ed25519", parameters={"kid": "ed"})
OCT = OctKey.generate_key(256, parameters={"kid": "oct"})
FORGED: dict[str, Key] = {
    "EC": ECKey.generate_key("P-256"),
    "RSA": RSAKey.generate_key(2048),
    "OKP": OKPKey.generate_key("Ed25519"),
}
"""Keys that the verifier does not know."""
ALGORITHM = {"EC": "ES256", "RSA": "RS256", "OKP": "Ed25519", "oct": "HS256"}


def verifier(*keys: Key, **settings: Any) -> SignedCredentials:
    public = [key.as_dict(private=key.key_type == "oct") for key in keys]
    return SignedCredentials(Approvals(keys=SecretStr(json.dumps({"keys": public})), **settings))


def token(key: Key, *, alg: str | None = None, named: bool = True, **claims: Any) -> str:
    now = int(time.time())
    payload = {"sub": "ann", "aud": "perdure", "iat": now, "exp": now + 60, **claims}
    algorithm = alg or ALGORITHM[key.key_type]
    header = {"alg": algorithm, **({"kid": key.kid} if named else {})}
    return jwt.encode(header, {name: value for name, value in payload.items() if value is not None}, key, [algorithm])


@pytest.mark.parametrize("key", [EC, RSA, ED, OCT], ids=lambda key: key.kid)
def test_what_a_known_key_has_signed_is_believed(key: Key) -> None:
    assert verifier(EC, RSA, ED, OCT).claims(token(key))["sub"] == "ann"


@pytest.mark.parametrize("key", [EC, RSA, ED], ids=lambda key: key.kid)
def test_a_public_key_may_be_a_pem(key: RSAKey | ECKey | OKPKey) -> None:
    pem = key.as_pem(private=False).decode()
    assert SignedCredentials(Approvals(keys=SecretStr(pem))).claims(token(key, named=False))["sub"] == "ann"


@pytest.mark.parametrize("key", [EC, RSA, ED], ids=lambda key: key.kid)
def test_a_single_key_without_a_name_is_tried_for_a_token_with_any_key_name(key: RSAKey | ECKey | OKPKey) -> None:
    unnamed = {name: value for name, value in key.as_dict(private=False).items() if name != "kid"}
    for written in (key.as_pem(private=False).decode(), json.dumps(unnamed), json.dumps({"keys": [unnamed]})):
        credentials = SignedCredentials(Approvals(keys=SecretStr(written)))
        assert credentials.claims(token(key))["sub"] == "ann"
        forged = FORGED[key.key_type]
        header = {"alg": ALGORITHM[key.key_type], "kid": key.kid}
        claims = {"sub": "eve", "aud": "perdure", "iat": int(time.time()), "exp": int(time.time()) + 60}
        with pytest.raises(BadCredential):
            credentials.claims(jwt.encode(header, claims, forged, [ALGORITHM[key.key_type]]))


def test_a_key_with_a_name_is_not_tried_for_a_token_of_another_name() -> None:
    other = RSAKey.import_key({**RSA.as_dict(private=True), "kid": "other"})
    with pytest.raises(BadCredential, match="a key that is not known here"):
        verifier(RSA).claims(token(other))


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"exp": int(time.time()) - 3600}, "it has expired"),
        ({"exp": None}, "exp"),
        ({"iat": None}, "iat"),
        ({"iat": int(time.time()) + 3600, "exp": int(time.time()) + 3700}, "iat"),
        ({"exp": int(time.time()) + 86_400}, "3600 s are the longest"),
        ({"aud": "payroll"}, "aud"),
        ({"aud": None}, "aud"),
        ({"sub": None}, "sub"),
        ({"exp": "soon"}, "exp"),
        ({"exp": float("inf")}, "exp|longest|no signed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_a_claim_that_does_not_fit_is_named(claims: dict[str, Any], why: str) -> None:
    with pytest.raises(BadCredential, match=why):
        verifier(EC).claims(token(EC, **claims))


def test_only_the_issuer_that_is_named_is_believed() -> None:
    assert verifier(EC, issuer="idp").claims(token(EC, iss="idp"))
    others: list[dict[str, Any]] = [{"iss": "another"}, {}]
    for other in others:
        with pytest.raises(BadCredential, match="iss"):
            verifier(EC, issuer="idp").claims(token(EC, **other))


def test_the_longest_lifetime_of_a_credential_is_a_setting() -> None:
    with pytest.raises(BadCredential, match="30 s are the longest"):
        verifier(EC, longest=timedelta(seconds=30)).claims(token(EC))


def test_a_public_key_is_no_shared_secret() -> None:
    """Anybody with the public key could sign otherwise. The library refuses to do it, so the test signs by hand."""
    _, body, _ = token(EC).split(".")
    head = _encoded(json.dumps({"alg": "HS256", "kid": "ec", "typ": "JWT"}).encode())
    signature = _encoded(hmac.digest(EC.as_pem(private=False), f"{head}.{body}".encode(), "sha256"))
    with pytest.raises(BadCredential):
        verifier(EC).claims(f"{head}.{body}.{signature}")


def test_a_credential_without_a_signature_is_refused() -> None:
    _, body, _ = token(EC).split(".")
    with pytest.raises(BadCredential):
        verifier(EC).claims(f"{_encoded(json.dumps({'alg': 'none'}).encode())}.{body}.")


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@pytest.mark.parametrize("credential", ["", "trust me", "a.b.c", "é", "." * 9000, token(EC)[:-8], token(EC) + "x"])
def test_what_is_no_credential_is_refused_in_words_of_ours(credential: str) -> None:
    with pytest.raises(BadCredential) as refused:
        verifier(EC).claims(credential)
    assert not credential or credential not in str(refused.value)


def test_without_keys_nobody_is_believed() -> None:
    with pytest.raises(BadCredential, match="set PERDURE_APPROVALS__KEYS"):
        SignedCredentials(Approvals()).claims(token(EC))


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ("nonsense", "give a JSON Web Key"),
        ("{", "give a JSON Web Key"),
        ('{"keys": []}', "give a JSON Web Key"),
        ('{"kty": "XX"}', "give a JSON Web Key"),
        ('{"kty": "oct", "k": "c2hvcnQ"}', "a shared secret needs 32 bytes"),
    ],
)
def test_keys_that_cannot_be_used_are_named_when_a_worker_starts(keys: str, why: str) -> None:
    with pytest.raises(NotConfigured, match=f"PERDURE_APPROVALS__KEYS: .*{why}") as refused:
        SignedCredentials(Approvals(keys=SecretStr(keys)))
    assert "c2hvcnQ" not in str(refused.value)
