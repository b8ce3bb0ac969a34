"""A stack on an external model server: `make up MODEL=sglang SGLANG_URL=...`."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from activities.settings import PROFILES, ROOT, Embedded, Model, Paths, Settings
from deploy.local.stack.external_models import NoModel, require
from deploy.local.stack.stack import Stack
from deploy.local.weights import weights
from deploy.processes.ports import free_ports
from tests.support.servers.stub_sglang import StubSGLang, Text


@pytest.fixture(autouse=True)
def no_temporal_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEMPORAL_ADDRESS", raising=False)
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "none.toml"))


@pytest.fixture
def stub() -> Iterator[StubSGLang]:
    with StubSGLang() as server:
        (listed,) = server.doors["/v1/models"]["body"]["data"]
        listed |= {"id": "qwen2.5-7b-instruct", "max_model_len": 32768}
        server.doors["/ready"] = Text("")
        yield server


def settings_for(folder: Path, url: str) -> Settings:
    temporal, ui, model, desk = free_ports(4)
    return Settings(
        paths=Paths(state=folder / "state", catalogue=PROFILES / "sglang.toml"),
        embedded=Embedded(temporal_port=temporal, ui_port=ui, model_port=model, desk_port=desk),
        model=Model(endpoints={"sglang": url}),
    )


def test_a_stack_on_it_starts_no_model_server_and_needs_no_weights(tmp_path: Path, stub: StubSGLang) -> None:
    settings = settings_for(tmp_path, stub.url)
    assert weights.needed(settings) == weights.EMBEDDING
    stack = Stack(settings)
    with stack as addresses:
        assert addresses.models == {"sglang": stub.url}
        assert [part.name for part in stack.parts] == ["the Temporal server", "the desk", "the worker"]


def test_nothing_at_the_address_is_one_line_before_anything_starts(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    stack = Stack(settings_for(tmp_path, f"http://127.0.0.1:{port}/v1"))
    says = rf"the model server at http://127\.0\.0\.1:{port}/v1 cannot be used"
    with pytest.raises(NoModel, match=says) as stopped, stack:
        pass
    assert "\n" not in str(stopped.value)
    assert stack.parts == ()


def test_a_server_of_another_model_is_told(tmp_path: Path, stub: StubSGLang) -> None:
    stub.doors["/v1/models"]["body"]["data"][0]["id"] = "another"
    with pytest.raises(NoModel, match=r"its server serves 'another', not 'qwen2.5-7b-instruct'"):
        require(settings_for(tmp_path, stub.url), ("fast",))


def test_a_tier_with_a_server_of_ours_is_not_asked_about(tmp_path: Path) -> None:
    require(Settings(paths=Paths(state=tmp_path)), ("fast", "strong"))


def make_database(*arguments: str, **environment: str) -> str:
    """Return the variables and rules of make, without running any."""
    result = subprocess.run(
        ["make", "--no-print-directory", "--question", "--print-data-base", *arguments],
        cwd=ROOT,
        env={**os.environ, "MAKEFLAGS": "", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return result.stdout


def test_make_hands_the_address_to_the_settings_as_it_is() -> None:
    output = make_database("help", "MODEL=sglang", "SGLANG_URL=http://gpu:30000/v1")
    (line,) = [line for line in output.splitlines() if line.startswith("PERDURE_MODEL__ENDPOINTS := ")]
    assert json.loads(line.partition(" := ")[2]) == {"sglang": "http://gpu:30000/v1"}
    assert "PERDURE_PATHS__CATALOGUE = sglang" in output
    assert "PERDURE_PATHS__CATALOGUE" not in make_database("help")


def test_a_catalogue_of_ones_own_is_kept() -> None:
    output = make_database("help", "MODEL=sglang", PERDURE_PATHS__CATALOGUE="mine.toml")
    assert "PERDURE_PATHS__CATALOGUE = mine.toml" in output
    assert "PERDURE_PATHS__CATALOGUE = sglang" not in output


def test_a_model_server_that_make_does_not_know_is_one_line() -> None:
    process = subprocess.run(
        ["make", "help", "MODEL=vllm"], cwd=ROOT, env={**os.environ, "MAKEFLAGS": ""}, capture_output=True, check=False
    )
    assert process.returncode != 0
    assert b"there is no MODEL=vllm: MODEL=sglang is the one that there is" in process.stderr


@pytest.mark.parametrize("url", ["gpu:30000", "http://user:word@gpu:30000/v1", "http://gpu 30000/v1", ""])
def test_what_is_no_address_is_one_line(url: str) -> None:
    process = subprocess.run(
        [str(ROOT / ".venv" / "bin" / "python"), "-m", "deploy.local", "up"],
        cwd=ROOT,
        env={**os.environ, "PERDURE_MODEL__ENDPOINTS": json.dumps({"sglang": url})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 1
    assert len(process.stderr.splitlines()) == 1
    assert "no address of a model server: write one such as http://127.0.0.1:30000/v1" in process.stderr
