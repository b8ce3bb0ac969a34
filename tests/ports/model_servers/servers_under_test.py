"""The servers that the model port's suite runs against, and what each can do."""

import subprocess
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from pydantic import SecretStr

from activities.adapters.models.litellm_model import LiteLLMModel
from activities.settings import ROOT
from deploy.local.stack import model_server
from deploy.local.stack.model_server import Serving
from deploy.local.weights.weights import fetch
from deploy.processes.ports import free_ports
from tests.ports.models.model_cases import catalogue, model_for
from tests.services.sglang_server import SGLangServer
from tests.support.servers.stub_model import StubModel
from tests.support.waiting import wait_until


@dataclass(frozen=True, kw_only=True)
class Can:
    """What a server can do. The suite asserts both: that it does, and what happens where it cannot."""

    schemas: bool = True
    """Holds a reply to a JSON schema."""
    tools: bool = True
    """Calls tools."""
    limits: bool = True
    """Keeps to `max_tokens`."""
    seeds: bool = True
    """Draws the same reply for the same seed."""
    repeats: bool = True
    """Writes the same text each time at temperature 0."""
    caches: bool = True
    """Caches the beginning of a prompt, and reports the cached tokens."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """A deployment that the suite runs against."""

    model: LiteLLMModel
    name: str
    """The model, as the server names it."""
    can: Can
    running: Callable[[], Awaitable[int]]
    """The number of requests that the server works on."""
    endless: Callable[[], None] = lambda: None
    """A prompt whose reply takes long, where a high token limit alone does not make it long."""


@contextmanager
def stubbed(folder: Path) -> Generator[Served]:
    with StubModel(0) as stub:
        can = Can(schemas=False, tools=False, limits=False, seeds=False, caches=False)

        def endless() -> None:
            stub.closed.clear()
            stub.called.clear()
            stub.script = [{"stream": ["word "] * 100, "gap": 0.2, "seconds": 0.5}, *["answer"] * 3]

        async def running() -> int:
            return int(stub.called.is_set() and not stub.closed)

        able = "{ logprobs = true }"
        model = model_for(folder, stub.url, capabilities=able)
        yield Served(model=model, name="stub", can=can, running=running, endless=endless)


@contextmanager
def llama_cpp(folder: Path) -> Generator[Served]:
    (port,) = free_ports(1)
    name = "qwen2.5-coder-0.5b-instruct"
    serving = Serving(fetch("qwen2.5-coder-0.5b"), name=name, port=port, threads=1, context=2048, parallel=1)
    log = folder / "log"
    root = f"http://127.0.0.1:{port}"

    async def running() -> int:
        async with httpx.AsyncClient(trust_env=False) as client:
            slots = (await client.get(f"{root}/slots")).json()
        return sum(bool(slot["is_processing"]) for slot in slots)

    with (
        log.open("w") as out,
        subprocess.Popen(model_server.command(serving), cwd=ROOT, stdout=out, stderr=out) as process,
    ):
        try:
            wait_until(lambda: ready(root) or process.poll() is not None, what="the model server answers", seconds=60)
            assert process.poll() is None, log.read_text()
            able = '{ tools = "schema", json_schema = true, logprobs = true }'
            model = model_for(folder, f"{root}/v1", model=name, answers_as=f'"{name}"', capabilities=able)
            yield Served(model=model, name=name, can=Can(), running=running)
        finally:
            process.terminate()
            process.wait(timeout=15)


def sglang(folder: Path, server: SGLangServer) -> Served:
    """SGLang 0.5.23: its seeds need `--enable-deterministic-inference`, which needs a GPU."""
    lines = {
        "model": server.model,
        "provider": '"sglang"',
        "answers_as": f'"{server.model}"',
        "capabilities": '{ tools = "native", json_schema = true, logprobs = true, adapters = true }',
        "admin_key": '"admin"',
    }
    keys = {"fast": SecretStr(server.api_key), "admin": SecretStr(server.admin_key)}

    async def running() -> int:
        headers = {"Authorization": f"Bearer {server.api_key}"}
        async with httpx.AsyncClient(trust_env=False, headers=headers) as client:
            loads = (await client.get(f"{server.root}/v1/loads")).json()["loads"]
        return sum(int(load["num_running_reqs"]) for load in loads)

    model = LiteLLMModel(catalogue(folder, server.endpoint, **lines), timeout_seconds=240, api_keys=keys)
    return Served(model=model, name=server.model, can=Can(seeds=False), running=running)


def ready(root: str) -> bool:
    try:
        return httpx.get(f"{root}/health", trust_env=False).is_success
    except httpx.HTTPError:
        return False
