"""The embedded stack with Weaviate, which starts with a key of its own and keeps its documents."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from activities.adapters.stores.open import open_store
from activities.settings import ROOT, Embedded, Paths, Settings
from deploy.local.stack.stack import Stack, running
from deploy.processes.ports import free_ports
from deploy.processes.state_file import Record
from deploy.weaviate.server import embedded
from tests.ports.stores.chunks import AXIS, chunk
from tests.services.weaviate_server import program
from tests.support.waiting import wait_until


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv("TEMPORAL_ADDRESS", raising=False)
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "none.toml"))
    temporal, ui, port, grpc_port, desk = free_ports(5)
    ports = Embedded(
        temporal_port=temporal, ui_port=ui, weaviate_port=port, weaviate_grpc_port=grpc_port, desk_port=desk
    )
    return Settings(paths=Paths(state=tmp_path / "state"), embedded=ports)


async def count(settings: Settings, *, store: bool = False) -> int:
    async with open_store(settings) as documents:
        if store:
            await documents.replace("acme", "handbook", [chunk(0, "H\nalpha", AXIS)])
        return await documents.count("acme", "handbook")


def answers(settings: Settings) -> bool:
    try:
        address = f"{settings.store.weaviate}/v1/.well-known/ready"
        return httpx.get(address, trust_env=False, timeout=5).is_success
    except httpx.HTTPError:
        return False


@pytest.mark.weaviate
def test_it_starts_with_a_key_of_its_own_and_keeps_its_documents(settings: Settings) -> None:
    program()
    chosen = embedded(settings)
    for store in (True, False):
        with Stack(chosen, model=False, worker=False) as addresses:
            assert addresses.store == chosen.store.weaviate
            assert running(settings) == addresses
            assert httpx.get(f"{addresses.store}/v1/schema", trust_env=False).status_code == 401
            assert asyncio.run(count(chosen, store=store)) == 1
    key = settings.paths.state / "weaviate.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key.read_text() not in (settings.paths.state / "logs" / "weaviate.log").read_text()
    assert embedded(settings) == chosen, "the key is the same at the next start"


@pytest.mark.weaviate
def test_a_killed_server_comes_back_at_its_address_with_its_documents(settings: Settings) -> None:
    program()
    chosen = embedded(settings)
    with Stack(chosen, model=False, worker=False):
        assert asyncio.run(count(chosen, store=True)) == 1
        record = Record.read(settings.paths.state)
        assert record is not None
        [killed] = [part.pid for part in record.parts if part.name == "Weaviate"]
        os.kill(killed, signal.SIGKILL)

        def is_back() -> bool:
            now = Record.read(settings.paths.state)
            again = now is not None and any(part.name == "Weaviate" and part.pid != killed for part in now.parts)
            return again and answers(chosen)

        wait_until(is_back, what="the server answers again", seconds=120)
        assert asyncio.run(count(chosen)) == 1


def test_a_server_that_the_settings_name_is_not_started_beside(settings: Settings) -> None:
    named = settings.model_copy(update={"store": settings.store.model_copy(update={"weaviate": "http://host:8080"})})
    assert embedded(named) == named
    with Stack(named, model=False, worker=False) as addresses:
        assert addresses.store == "http://host:8080"
        assert running(named) == addresses


@pytest.mark.parametrize("command", [["up"], ["demo"]])
def test_an_unknown_store_is_one_line(command: list[str]) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "deploy.local", *command, "--store", "chroma"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert process.returncode == 2
    assert process.stderr == "perdure: --store: there is no store 'chroma': choose lancedb or weaviate\n"
