"""What operators see of model servers, and the loading of adapters: a stub gives the replies that the real SGLang gave.

Adapters were recorded in an experiment, since SGLang 0.5.23 loads them with a GPU only; nobody saw them on one.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from activities.adapters.model_servers.http_model_servers import HttpModelServers
from activities.ports import (
    Health,
    Load,
    ModelRefused,
    ModelServers,
    ModelUnreachable,
    ModelUnusable,
    NotConfigured,
    PortError,
)
from activities.settings import load
from deploy.cli.app import main
from deploy.processes.ports import free_ports
from tests.ports.models.model_cases import catalogue
from tests.support.servers.stub_sglang import REPLIES, SERVED, StubSGLang, Text, recorded

CAPABLE = '{ tools = "native", json_schema = true, logprobs = true, adapters = true }'


@pytest.fixture
def stub() -> Iterator[StubSGLang]:
    with StubSGLang() as server:
        server.doors |= {
            "/ready": Text(""),
            "/v1/loads": recorded("loads"),
            "/metrics": Text((REPLIES / "metrics.txt").read_text()),
        }
        yield server


def servers_at(folder: Path, endpoint: str, *, keys: dict[str, str] | None = None, **extra: Any) -> ModelServers:
    lines = {"model": SERVED, "provider": '"sglang"', "capabilities": CAPABLE, "context_window": "8192", **extra}
    secrets = {name: SecretStr(key) for name, key in (keys or {}).items()}
    return HttpModelServers(catalogue(folder, endpoint, **lines), api_keys=secrets, seconds=0.5)


@pytest.fixture
def servers(tmp_path: Path, stub: StubSGLang) -> ModelServers:
    return servers_at(tmp_path, stub.url)


async def test_a_server_that_serves_the_model_is_ready(servers: ModelServers) -> None:
    assert await servers.health("fast") == Health(ready=True, reason="", models=(SERVED,), context_window=8192)


async def test_adapters_are_listed_with_their_base(servers: ModelServers, stub: StubSGLang) -> None:
    stub.doors["/v1/models"] = recorded("lora-models")
    assert (await servers.health("fast")).models == ("smollm2", "smollm2:lora-a", "smollm2:lora-b")


@pytest.mark.parametrize(
    ("door", "meets", "sentence"),
    [
        ("/ready", {"status": 503, "body": {}}, "is not ready (status 503)"),
        ("/ready", "hang", "did not answer within 0.5 s"),
        ("/ready", "drop", "broke the connection"),
        ("/v1/models", recorded("chat-noauth"), "does not accept the key"),
        ("/v1/models", Text("<html>"), "lists no models"),
        ("/v1/models", {"status": 500, "body": {"message": "in server.py"}}, "lists no models (status 500)"),
    ],
)
async def test_a_server_that_is_not_ready_says_why_and_nothing_is_raised(
    door: str, meets: Any, sentence: str, servers: ModelServers, stub: StubSGLang
) -> None:
    stub.doors[door] = meets
    health = await servers.health("fast")
    assert not health.ready
    assert sentence in health.reason
    assert "server.py" not in health.reason


async def test_another_model_and_a_smaller_window_are_told(tmp_path: Path, stub: StubSGLang) -> None:
    wrong = await servers_at(tmp_path, stub.url, model="another").health("fast")
    assert (wrong.ready, wrong.models) == (False, (SERVED,))
    assert "serves 'smollm2', not 'another'" in wrong.reason
    large = await servers_at(tmp_path, stub.url, context_window="9000").health("fast")
    assert "takes 8192 tokens" in large.reason


async def test_nothing_at_the_endpoint_is_a_reason(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    gone = servers_at(tmp_path, f"http://127.0.0.1:{port}/v1")
    assert "nothing answers" in (await gone.health("fast")).reason
    with pytest.raises(ModelUnreachable):
        await gone.load("fast")


async def test_how_busy_it_is_comes_from_its_loads_and_metrics(servers: ModelServers) -> None:
    assert await servers.load("fast") == Load(
        running=0, waiting=0, token_usage=0.0, cache_hit_rate=0.25, tokens_per_second=0.0, aborted=2
    )


async def test_what_a_server_does_not_tell_is_none(servers: ModelServers, stub: StubSGLang) -> None:
    del stub.doors["/v1/loads"], stub.doors["/metrics"]
    assert await servers.load("fast") == Load()


async def test_only_what_is_cheap_and_tells_no_secret_is_asked(servers: ModelServers, stub: StubSGLang) -> None:
    await servers.health("fast")
    await servers.load("fast")
    assert {path for path, _, _ in stub.asked} == {"/ready", "/v1/models", "/v1/loads", "/metrics"}


async def test_a_deployment_that_does_not_exist_is_told_with_those_that_do(servers: ModelServers) -> None:
    with pytest.raises(NotConfigured, match=r"no deployment 'huge': .*fast"):
        await servers.health("huge")


# Adapters.


async def test_an_adapter_is_loaded_and_forgotten_with_the_admin_key(tmp_path: Path, stub: StubSGLang) -> None:
    stub.doors |= {"/load_lora_adapter": recorded("lora-load"), "/unload_lora_adapter": recorded("lora-unload")}
    keys = {"fast": "sk-user", "boss": "sk-admin"}
    servers = servers_at(tmp_path, stub.url, keys=keys, admin_key='"boss"')
    await servers.load_adapter("fast", "lora-c", "/models/lora-c")
    await servers.unload_adapter("fast", "lora-c")
    assert stub.asked == [
        ("/load_lora_adapter", "Bearer sk-admin", {"lora_name": "lora-c", "lora_path": "/models/lora-c"}),
        ("/unload_lora_adapter", "Bearer sk-admin", {"lora_name": "lora-c"}),
    ]


@pytest.mark.parametrize(
    ("meets", "kind", "sentence"),
    [
        (recorded("lora-load-bad"), ModelRefused, "did not load the adapter 'lora-x' (status 400)"),
        ({**recorded("lora-load-bad"), "status": 200}, ModelRefused, "did not load the adapter 'lora-x' (status 200)"),
        (recorded("chat-noauth"), ModelUnusable, "--admin-api-key"),
        ({"status": 404, "body": {}}, ModelRefused, "--enable-lora"),
    ],
)
async def test_an_adapter_that_cannot_be_loaded_is_told_without_the_servers_paths(
    meets: Any, kind: type[PortError], sentence: str, servers: ModelServers, stub: StubSGLang
) -> None:
    stub.doors["/load_lora_adapter"] = meets
    with pytest.raises(PortError) as stopped:
        await servers.load_adapter("fast", "lora-x", "/nonexistent")
    assert type(stopped.value) is kind
    assert sentence in str(stopped.value)
    assert "nonexistent" not in str(stopped.value)
    assert "served-model" not in str(stopped.value)


async def test_a_server_that_serves_no_adapters_is_not_asked(tmp_path: Path, stub: StubSGLang) -> None:
    servers = servers_at(tmp_path, stub.url, capabilities="{ json_schema = true }")
    with pytest.raises(NotConfigured, match=r"serves no adapters: .*capabilities\.adapters"):
        await servers.unload_adapter("fast", "lora-x")
    assert stub.asked == []


# The command.


def table_of(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], file: Path) -> tuple[int, str]:
    monkeypatch.setenv("PERDURE_PATHS__CATALOGUE", str(file))
    load.cache_clear()
    code = main(["models", "status"])
    load.cache_clear()
    return code, capsys.readouterr().out


def test_every_deployment_is_a_row_also_one_that_cannot_be_reached(
    tmp_path: Path, stub: StubSGLang, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (port,) = free_ports(1)
    entry = 'provider = "sglang"\ncontext_window = 8192\nconcurrency = 1\nprices = { input = 1, output = 1 }\n'
    file = tmp_path / "two.toml"
    file.write_text(
        f'[tiers]\nfast = ["here", "gone"]\n[deployments.here]\nmodel = "{SERVED}"\nendpoint = "{stub.url}"\n{entry}'
        f'[deployments.gone]\nmodel = "{SERVED}"\nendpoint = "http://127.0.0.1:{port}/v1"\n{entry}'
    )
    code, output = table_of(monkeypatch, capsys, file)
    rows = {line.partition("\t")[0]: line for line in output.splitlines()}
    assert "yes" in rows["here"]
    assert "25%" in rows["here"]
    assert "no: nothing answers" in rows["gone"]
    assert (code, "Traceback" in output) == (1, False)
