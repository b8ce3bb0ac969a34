"""The cost of the model port over bare httpx, in CPU and time to first token, and the time to cancel a call."""

import asyncio
import functools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from activities.adapters.model_servers.catalogue import CatalogueFile
from activities.adapters.models.litellm_model import LiteLLMModel
from activities.ports import Caller, Message, Prompt, Sampling, Usage
from activities.settings import Settings, quiet_libraries
from deploy.local.stack import model_server
from deploy.local.stack.model_server import Serving
from deploy.local.weights import weights
from deploy.processes.ports import HOST, free_ports
from deploy.processes.process import Process
from tests.bench.paired import p95
from tests.services.sglang_server import SGLangServer, sglang_server
from tests.support.waiting import until

ME = Caller(tenant="bench", request_id="bench")
FEW = Sampling(max_output_tokens=8)
MESSAGES = 100
LONG_BYTES, BRIEF_BYTES = 80_000, 4_000

METHOD = (
    "Model: the same request, in turn through the port and by httpx alone, which reads the reply as JSON and looks at "
    "each event of a stream. CPU is of this process, user and kernel, with a stub server in a process of its own that "
    "answers at once. First token: a real server, eight tokens, the beginning of the prompt in its cache, so that what "
    "is left is the port and one step of the model. Ratios are of pairs: the median, the least and the greatest."
)

Ask = Callable[[], Awaitable[float]]
"""Makes one call and returns the milliseconds to its first token, or to its end if it is not streamed."""


@dataclass
class Pair:
    """The figures of one kind of call, through the port and over httpx, in turn."""

    port: list[float] = field(default_factory=list[float])
    bare: list[float] = field(default_factory=list[float])

    @property
    def ratios(self) -> list[float]:
        """The port's figures divided by httpx's, pair by pair."""
        return [
            port_figure / bare_figure
            for port_figure, bare_figure in zip(self.port, self.bare, strict=True)
            if bare_figure
        ]


def short() -> list[Message]:
    """Return a prompt of one message."""
    return [Message("user", "Say something about the sea.")]


def conversation(size: int) -> list[Message]:
    """Return a conversation of 100 messages and `size` bytes."""
    filler = "The rules of the harbour are told here once more, for everybody. "
    text = (filler * (size // MESSAGES // len(filler) + 1))[: size // MESSAGES]
    messages = [Message(("user", "assistant")[index % 2], text) for index in range(MESSAGES - 1)]
    return [*messages, Message("user", "Go on.")]


@dataclass(frozen=True)
class Endpoint:
    """A server that is called both ways."""

    url: str
    name: str
    provider: str
    keys: Mapping[str, str] = field(default_factory=dict[str, str])

    def model(self, folder: Path) -> LiteLLMModel:
        """Return the model port over the server."""
        file = folder / f"{self.provider}.toml"
        file.write_text(
            f'[tiers]\nfast = ["it"]\n[deployments.it]\nmodel = "{self.name}"\nprovider = "{self.provider}"\n'
            f'endpoint = "{self.url}"\ncontext_window = 65536\nconcurrency = 1\nprices = {{ input = 1, output = 1 }}\n'
            + ('admin_key = "admin"\n' if "admin" in self.keys else "")
            + "capabilities = { json_schema = true }\n"
        )
        keys = {name: SecretStr(key) for name, key in self.keys.items()}
        return LiteLLMModel(CatalogueFile(file, {}), timeout_seconds=240, api_keys=keys)


async def _ignore(_: str, __: Usage | None) -> None:
    """Ignore the tokens: a reply is streamed only with a listener."""


def through_port(model: LiteLLMModel, messages: list[Message], *, streams: bool) -> Ask:
    async def ask() -> float:
        start = time.perf_counter()
        completion = await model.complete("it", Prompt(messages), FEW, ME, _ignore if streams else None)
        return completion.first_token_ms or (time.perf_counter() - start) * 1000

    return ask


def by_httpx(endpoint: Endpoint, client: httpx.AsyncClient, messages: list[Message], *, streams: bool) -> Ask:
    body: dict[str, Any] = {
        "model": endpoint.name,
        "messages": [{"role": message.role, "content": message.content} for message in messages],
        "max_tokens": FEW.max_output_tokens,
        "temperature": FEW.temperature,
        "stream": streams,
    }
    if streams:
        body["stream_options"] = {"include_usage": True}
    headers = {"Authorization": f"Bearer {endpoint.keys.get('it', 'none')}"}

    async def ask() -> float:
        start = time.perf_counter()
        first_token_ms = 0.0
        async with client.stream("POST", f"{endpoint.url}/chat/completions", json=body, headers=headers) as reply:
            reply.raise_for_status()
            if not streams:
                json.loads(await reply.aread())
                return (time.perf_counter() - start) * 1000
            async for line in reply.aiter_lines():
                if line.startswith("data: {"):
                    choices = json.loads(line.removeprefix("data: ")).get("choices")
                    if not first_token_ms and choices and choices[0]["delta"].get("content"):
                        first_token_ms = (time.perf_counter() - start) * 1000
        return first_token_ms

    return ask


Kinds = Mapping[str, tuple[list[Message], bool]]


def kinds(name: str, size: int) -> Kinds:
    """Return a short request and a conversation, each whole and streamed."""
    return {
        f"{title}, {'streamed' if streams else 'whole'}": (messages, streams)
        for title, messages in (("short", short()), (f"100 messages, {name}", conversation(size)))
        for streams in (False, True)
    }


ON_THE_STUB = kinds("80 KB", LONG_BYTES)
ON_A_MODEL = kinds("4 KB", BRIEF_BYTES)
"""The calls to a real model: on a CPU it would read 80 KB for minutes before its first token."""


async def in_turn(
    endpoint: Endpoint, folder: Path, of: Kinds, pairs: int, advance: Callable[[], None], *, cpu: bool
) -> dict[str, Pair]:
    """Make every kind of call both ways; the figures are milliseconds to the first token, or of this process's CPU."""
    model = endpoint.model(folder)
    pairs_by_kind = {kind: Pair() for kind in of}
    # Each call opens its own connection, as the port does.
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(trust_env=False, timeout=240, limits=limits) as client:
        for kind, (messages, streams) in of.items():
            port = through_port(model, messages, streams=streams)
            bare = by_httpx(endpoint, client, messages, streams=streams)
            for _ in range(3):  # the first calls load modules and fill the prefix cache
                await port()
                await bare()
            for turn in range(pairs):
                sides = ((port, pairs_by_kind[kind].port), (bare, pairs_by_kind[kind].bare))
                for ask, figures in sides if turn % 2 else reversed(sides):
                    cpu_before = time.process_time()
                    milliseconds = await ask()
                    figures.append((time.process_time() - cpu_before) * 1000 if cpu else milliseconds)
                advance()
    return pairs_by_kind


def show(console: Console, title: str, unit: str, pairs_by_kind: Mapping[str, Pair]) -> None:
    """Print both ways and their ratio."""
    table = Table(title=title)
    for heading in ("", f"port, {unit}", f"httpx, {unit}", "ratio", "least", "greatest"):
        table.add_column(heading, justify="right" if heading else "left")
    for kind, pair in pairs_by_kind.items():
        figures = (statistics.median(pair.port), statistics.median(pair.bare))
        ratios = (statistics.median(pair.ratios), min(pair.ratios), max(pair.ratios))
        table.add_row(kind, *(f"{figure:.1f}" for figure in figures), *(f"{ratio:.2f}" for ratio in ratios))
    console.print(table)


@contextmanager
def stub_process(folder: Path) -> Generator[Endpoint]:
    """Start the stub model in a process of its own, so that its CPU time is not the caller's."""
    [port] = free_ports(1)
    log = folder / "stub.log"
    part = Process(
        "the stub model",
        [sys.executable, "-m", "tests.support.servers.stub_model", "--port", str(port)],
        log=log,
        ready=lambda: log.read_text().startswith("ready"),
        environment={},
    )
    part.begin(lambda _: None)
    try:
        yield Endpoint(f"http://{HOST}:{port}/v1", "stub", "hosted_vllm")
    finally:
        part.end()


@contextmanager
def llama_cpp(folder: Path) -> Generator[Endpoint]:
    """Start the embedded model server with the model of the deployment `fast`."""
    settings = Settings()
    entry = CatalogueFile(settings.paths.catalogue, {}).entry("fast")
    [port] = free_ports(1)
    file = weights.fetch(entry.weights or "", settings)
    serving = Serving(weights=file, name=entry.model, port=port, threads=1, context=4096, parallel=1)
    part = Process(
        "the model server",
        model_server.command(serving),
        log=folder / "model.log",
        ready=lambda: _is_well(f"http://{HOST}:{port}/health"),
        environment={},
    )
    part.begin(lambda _: None)
    try:
        yield Endpoint(f"http://{HOST}:{port}/v1", entry.model, "hosted_vllm")
    finally:
        part.end()


async def aborts(server: SGLangServer, endpoint: Endpoint, folder: Path, runs: int, console: Console) -> None:
    """Measure the time from a cancellation until SGLang's own metrics show no running request, and print."""
    model = endpoint.model(folder)
    form = {f"answer_{number}": {"type": "boolean"} for number in range(300)}
    schema = {"type": "object", "properties": form, "required": list(form), "additionalProperties": False}
    prompt = Prompt([Message("user", "Fill in the form.")], schema=schema)
    table = Table(title=f"Cancelled, until SGLang's metrics say that it is aborted: {runs} calls each")
    for heading in ("", "p50, ms", "p95, ms"):
        table.add_column(heading, justify="right" if heading else "left")
    for streams in (False, True):
        waits: list[float] = []
        for _ in range(runs):
            call = asyncio.create_task(model.complete("it", prompt, Sampling(2000), ME, _ignore if streams else None))
            await until(lambda: server.running() == 1, what="the server works on it")
            before = server.counted("num_aborted_requests_total")
            start = time.perf_counter()
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            counted = functools.partial(server.counted, "num_aborted_requests_total")
            await until(lambda c=counted, b=before: c() > b, what="it is counted", every=0.005)
            await until(lambda: server.running() == 0, what="nothing runs", every=0.005)
            waits.append((time.perf_counter() - start) * 1000)
        table.add_row("streamed" if streams else "whole", f"{statistics.median(waits):.0f}", f"{p95(waits):.0f}")
    console.print(table)


def steps(pairs: int, *, sglang: bool) -> int:
    """Return the number of pairs of all measurements together."""
    return pairs * (len(ON_THE_STUB) + len(ON_A_MODEL) * (2 if sglang else 1))


async def model_port(console: Console, pairs: int, advance: Callable[[], None], *, sglang: bool) -> None:
    """Measure and print."""
    quiet_libraries()
    console.print(METHOD)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="perdure-bench-")))
        with stub_process(folder) as stub:
            pairs_by_kind = await in_turn(stub, folder, ON_THE_STUB, pairs, advance, cpu=True)
        show(console, f"CPU of a call: {pairs} pairs", "ms", pairs_by_kind)
        with llama_cpp(folder) as server:
            pairs_by_kind = await in_turn(server, folder, ON_A_MODEL, pairs, advance, cpu=False)
        show(console, f"llama.cpp, first token (streamed) or whole reply: {pairs} pairs", "ms", pairs_by_kind)
        if sglang:
            real = stack.enter_context(sglang_server(folder))
            keys = {"it": real.api_key, "admin": real.admin_key}
            endpoint = Endpoint(real.endpoint, real.model, "sglang", keys)
            pairs_by_kind = await in_turn(endpoint, folder, ON_A_MODEL, pairs, advance, cpu=False)
            show(console, f"SGLang, first token (streamed) or whole reply: {pairs} pairs", "ms", pairs_by_kind)
            await aborts(real, endpoint, folder, pairs, console)


def _is_well(address: str) -> bool:
    try:
        return httpx.get(address, timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False
