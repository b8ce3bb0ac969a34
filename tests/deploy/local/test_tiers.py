"""The tiers that the embedded stack serves: a model server for each of their deployments, and no other."""

import json
import socket
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from activities.settings import Embedded, Model, Paths, Settings, Store
from deploy.local.stack.stack import Stack, passed_on
from deploy.processes.errors import PortInUse
from deploy.processes.ports import free_ports


@pytest.fixture(autouse=True)
def no_temporal_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEMPORAL_ADDRESS", raising=False)
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "none.toml"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    temporal, ui, model, desk = free_ports(4)
    return Settings(
        paths=Paths(state=tmp_path / "state"),
        embedded=Embedded(temporal_port=temporal, ui_port=ui, model_port=model, desk_port=desk),
    )


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


SMALLEST = """
[tiers]
fast = ["fast"]
strong = ["strong", "fast"]
"""


def with_two_models(settings: Settings, tmp_path: Path) -> Settings:
    """Return settings with both tiers over the smallest model."""
    catalogue = tmp_path / "two.toml"
    tables = [
        f"""
[deployments.{name}]
model = "smollm2-{name}"
provider = "hosted_vllm"
endpoint = "http://127.0.0.1:1/v1"
context_window = 256
concurrency = {slots}
weights = "smollm2-135m"
prices = {{ input = 1, output = 1 }}
"""
        for name, slots in (("fast", 1), ("strong", 2))
    ]
    catalogue.write_text(SMALLEST + "".join(tables))
    fast, strong = free_ports(2)
    return settings.model_copy(
        update={
            "paths": settings.paths.model_copy(update={"catalogue": catalogue}),
            "embedded": settings.embedded.model_copy(update={"model_port": fast, "strong_port": strong}),
        }
    )


def test_a_tier_is_served_by_a_server_for_each_of_its_deployments(settings: Settings, tmp_path: Path) -> None:
    two_tiers = with_two_models(settings, tmp_path)
    with Stack(two_tiers, worker=False, tiers=("strong",)) as addresses:
        assert addresses.models == {
            "fast": f"http://127.0.0.1:{two_tiers.embedded.model_port}/v1",
            "strong": f"http://127.0.0.1:{two_tiers.embedded.strong_port}/v1",
        }
        assert addresses.model == addresses.models["fast"]
        for name, slots in (("fast", 1), ("strong", 2)):
            root = addresses.models[name].removesuffix("/v1")
            (listed,) = httpx.get(f"{root}/v1/models", trust_env=False).json()["data"]
            assert listed["id"] == f"smollm2-{name}"
            assert len(httpx.get(f"{root}/slots", trust_env=False).json()) == slots, "as many as its concurrency"


def test_without_a_word_only_the_fast_tier_is_served(settings: Settings, tmp_path: Path) -> None:
    two_tiers = with_two_models(settings, tmp_path)
    with Stack(two_tiers, worker=False) as addresses:
        assert list(addresses.models) == ["fast"]
        assert not listens(two_tiers.embedded.strong_port)


def test_a_deployment_with_an_endpoint_of_its_own_is_not_served_here(settings: Settings, tmp_path: Path) -> None:
    two_tiers = with_two_models(settings, tmp_path)
    external = two_tiers.model_copy(update={"model": Model(endpoints={"fast": "http://127.0.0.1:9/v1"})})
    stack = Stack(external, worker=False)
    with stack as addresses:
        assert addresses.models == {"fast": "http://127.0.0.1:9/v1"}
        assert [part.name for part in stack.parts] == ["the Temporal server"]


def test_the_port_of_the_strong_model_in_use_is_named_with_its_setting(settings: Settings, tmp_path: Path) -> None:
    two_tiers = with_two_models(settings, tmp_path)
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", two_tiers.embedded.strong_port))
        holder.listen()
        with pytest.raises(PortInUse, match="PERDURE_EMBEDDED__STRONG_PORT"):
            Stack(two_tiers, worker=False, tiers=("strong",)).__enter__()


def test_keys_reach_the_worker_whole_and_nothing_else(settings: Settings) -> None:
    keyed = settings.model_copy(update={"model": Model(api_keys={"cloud": SecretStr("sk-1")})})
    environment = passed_on(keyed)
    assert json.loads(environment["PERDURE_MODEL__API_KEYS"]) == {"cloud": "sk-1"}
    assert "sk-1" not in repr(keyed)
    assert "PERDURE_MODEL__TIMEOUT_SECONDS" not in environment, "a default value is not passed"


def test_a_key_alone_reaches_the_worker_as_it_is(settings: Settings) -> None:
    store = Store(weaviate="http://127.0.0.1:8079", weaviate_api_key=SecretStr("key-1"))
    environment = passed_on(settings.model_copy(update={"store": store}))
    assert environment["PERDURE_STORE__WEAVIATE_API_KEY"] == "key-1"
    assert environment["PERDURE_STORE__WEAVIATE"] == "http://127.0.0.1:8079"
