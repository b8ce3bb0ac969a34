"""The address of Weaviate, and the certificate that a connection to it accepts."""

from pathlib import Path

import pytest

from activities.adapters.stores.open import open_store
from activities.adapters.stores.weaviate_client import WeaviateServer
from activities.ports import StorageFailed
from activities.settings import Settings, Store
from deploy.processes.ports import HOST
from tests.ports.stores.chunks import AXIS, chunk
from tests.services.weaviate_server import Weaviate, forget_everything
from tests.support.servers.tls_front import certificate, tls_front


@pytest.mark.parametrize(
    "address",
    [
        "",
        "host:8080",
        "ftp://host",
        "http://",
        "http://ann:secret@host",
        "http://host/path",
        "http://host:0",
        "http://[x",
    ],
)
def test_an_invalid_address_is_refused_and_not_shown(address: str) -> None:
    with pytest.raises(
        StorageFailed, match=r"^PERDURE_STORE__WEAVIATE cannot be used: write http://host:port"
    ) as raised:
        WeaviateServer(Store(weaviate=address))
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("address", ["", "host", "host:0", "host:x", "ann:secret@host:1", ":50051"])
def test_an_invalid_grpc_address_is_refused(address: str) -> None:
    with pytest.raises(StorageFailed, match=r"^PERDURE_STORE__WEAVIATE_GRPC cannot be used: write host:port$"):
        WeaviateServer(Store(weaviate="http://host", weaviate_grpc=address))


def test_a_server_is_called_by_its_address() -> None:
    assert WeaviateServer(Store(weaviate="https://search.example.com")).name == "Weaviate at search.example.com:443"
    assert (
        WeaviateServer(Store(weaviate="http://search.example.com:8080/")).name == "Weaviate at search.example.com:8080"
    )


@pytest.mark.weaviate
async def test_a_server_behind_tls_is_trusted_by_its_authority_alone(
    weaviate: Weaviate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = weaviate.settings
    await forget_everything(settings)
    file, key_file = certificate(tmp_path)
    ports = [int((address or "").rpartition(":")[2]) for address in (settings.weaviate, settings.weaviate_grpc)]
    async with tls_front(ports, file, key_file) as (http, grpc):
        secure = settings.model_copy(
            update={"weaviate": f"https://{HOST}:{http}", "weaviate_grpc": f"{HOST}:{grpc}", "timeout_seconds": 5}
        )
        async with open_store(Settings(store=secure)) as store:
            with pytest.raises(StorageFailed, match=r"is not trusted; set SSL_CERT_FILE to the file of its authority$"):
                await store.ready()
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        async with open_store(Settings(store=secure)) as store:
            await store.ready()
            await store.replace("acme", "handbook", [chunk(0, "H\nalpha", AXIS)])
            assert len(await store.search("acme", "handbook", "alpha", AXIS, 5)) == 1
