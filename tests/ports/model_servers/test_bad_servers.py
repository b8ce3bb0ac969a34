"""Servers that misbehave: the port raises its typed error within its timeout, and sends nothing twice.

A stub over HTTP behaves so; that another model answers is in `test_model_protocol.py` and `test_model_sglang.py`.
"""

import ipaddress
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from activities.adapters.models.litellm_model import LiteLLMModel
from activities.ports import (
    CircuitOpen,
    ModelFailed,
    ModelOverloaded,
    ModelRefused,
    ModelUnusable,
    PortError,
)
from tests.ports.models.model_cases import ASK, FEW, ME, STREAMS, Listener, catalogue, failure_of, model_for
from tests.support.servers.stub_model import StubModel
from tests.support.servers.stub_sglang import SERVED, StubSGLang
from tests.support.waiting import until

PROVIDERS = pytest.mark.parametrize("provider", ["hosted_vllm", "sglang"])

PATIENCE = 1.0


@pytest.fixture
def stub() -> Iterator[StubSGLang]:
    with StubSGLang() as server:
        yield server


def patient(folder: Path, stub: StubSGLang, provider: str) -> LiteLLMModel:
    models = catalogue(folder, stub.url, model=SERVED, provider=f'"{provider}"')
    return LiteLLMModel(models, timeout_seconds=PATIENCE, idle_seconds=PATIENCE / 4)


@PROVIDERS
@pytest.mark.parametrize(
    ("meets", "streams", "sentence"),
    [
        ("hang-headers", False, f"within {PATIENCE:g} s"),
        ("hang-headers", True, f"within {PATIENCE:g} s"),
        ("hang-mid", True, "stopped in the middle"),
        ("cut", True, "broke in the middle"),
        ("stop-short", True, "ended before it was whole"),
    ],
)
async def test_a_reply_that_does_not_come_to_its_end_is_given_up_in_time(
    meets: str, sentence: str, provider: str, tmp_path: Path, stub: StubSGLang, *, streams: bool
) -> None:
    stub.script = [meets]
    began = time.monotonic()
    error = await failure_of(patient(tmp_path, stub, provider), streams=streams)
    assert type(error) is ModelFailed
    assert sentence in str(error)
    assert not error.free_of_charge
    assert time.monotonic() - began < 9
    assert stub.calls == 1, "nothing is sent twice"
    if meets.startswith("hang"):
        await until(lambda: bool(stub.closed), what="the socket is closed")


@PROVIDERS
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"object": "error", "message": "in /srv/server.py", "type": "503", "code": 503}, ModelOverloaded),
        ({"object": "error", "message": "in /srv/server.py", "code": 400}, ModelRefused),
        ({"error": "Unauthorized", "code": 401}, ModelUnusable),
        ({"error": {"message": "in /srv/server.py", "code": "no_available_workers"}}, CircuitOpen),
        ({"error": {"message": "in /srv/server.py", "type": "internal"}}, ModelFailed),
        ({"object": "error", "message": "in /srv/server.py"}, ModelFailed),
    ],
)
async def test_an_error_with_status_200_is_an_error(
    body: dict[str, Any], kind: type[PortError], provider: str, tmp_path: Path, stub: StubSGLang
) -> None:
    stub.script = [{"status": 200, "body": body}]
    error = await failure_of(patient(tmp_path, stub, provider), streams=False)
    assert type(error) is kind
    assert "server.py" not in str(error)


@STREAMS
async def test_a_certificate_that_nobody_vouches_for_is_named(tmp_path: Path, *, streams: bool) -> None:
    with StubModel(0) as stub:
        stub.socket = served_by(certificate(tmp_path)).wrap_socket(stub.socket, server_side=True)
        error = await failure_of(model_for(tmp_path, stub.url.replace("http:", "https:")), streams=streams)
    assert isinstance(error, ModelUnusable)
    assert "certificate" in str(error)
    assert stub.calls == 0


@pytest.mark.parametrize("expired", [False, True], ids=["valid", "expired"])
async def test_an_expired_certificate_is_named_and_a_valid_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, expired: bool
) -> None:
    file = certificate(tmp_path, expired=expired)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))  # its date is all that is wrong with it
    with StubModel(0) as stub:
        stub.socket = served_by(file).wrap_socket(stub.socket, server_side=True)
        model = model_for(tmp_path, stub.url.replace("http:", "https:"))
        if not expired:
            assert (await model.complete("fast", ASK, FEW, ME, Listener())).content
            return
        error = await failure_of(model, streams=True)
    assert type(error) is ModelUnusable
    assert "certificate" in str(error)
    assert (stub.calls, error.free_of_charge) == (0, True)


def served_by(file: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def certificate(folder: Path, *, expired: bool = False) -> Path:
    """Return a self-signed certificate of 127.0.0.1, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    until_when = now - timedelta(days=1) if expired else now + timedelta(days=1)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(until_when)
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    file.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + signed.public_bytes(pem))
    return file
