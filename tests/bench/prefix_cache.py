"""The saving of a stable prompt prefix, on the embedded model server with the handbook's instructions."""

import json
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from activities.adapters.model_servers.catalogue import CatalogueFile
from activities.adapters.models.litellm_model import LiteLLMModel
from activities.ports import Caller, Completion, Message, Prompt, Sampling, Usage
from activities.settings import Paths, Settings, quiet_libraries
from agents.loader import Specs
from deploy.local.stack import model_server
from deploy.local.stack.model_server import Serving
from deploy.local.weights import weights
from deploy.processes.ports import HOST, free_ports
from deploy.processes.process import Process

QUESTIONS = ("How often are backups made?", "Who repairs bicycles?", "When does the canteen open?", "Who signs orders?")


BENCH = Caller(tenant="bench", request_id="bench")


async def _ignore(_: str, __: Usage | None) -> None:
    """Ignore the tokens: a reply is streamed only with a listener."""


def _prefix() -> list[Message]:
    body = Specs(Paths().agent_folders).chain("handbook").instructions.body or "[]"
    return [Message(message["role"], message["content"]) for message in json.loads(body)]


def _serving(settings: Settings, port: int) -> Serving:
    entry = CatalogueFile(settings.paths.catalogue, {}).entry("fast")
    file = weights.fetch(entry.weights or "", settings)
    return Serving(weights=file, name=entry.model, port=port, threads=1, context=entry.context_window, parallel=1)


async def prefix_cache(console: Console, runs: int, advance: Callable[[], None]) -> None:
    """Measure the time to first token after a new prefix each time and after the same one, and print."""
    quiet_libraries()
    settings = Settings()
    [port] = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="perdure-bench-") as folder:
        log = Path(folder) / "model.log"
        server = Process(
            "the model server",
            model_server.command(_serving(settings, port)),
            log=log,
            ready=_ready(port),
            environment={},
        )
        server.begin(lambda _: None)
        try:
            endpoint = {"fast": f"http://{HOST}:{port}/v1"}
            model = LiteLLMModel(CatalogueFile(settings.paths.catalogue, endpoint), timeout_seconds=240)
            cold: list[Completion] = []
            warm: list[Completion] = []
            for turn in range(runs):
                question = QUESTIONS[turn % len(QUESTIONS)]
                cold_prompt = [Message("system", f"Edition {turn}."), *_prefix(), Message("user", question)]
                cold.append(
                    await model.complete("fast", Prompt(cold_prompt), Sampling(max_output_tokens=4), BENCH, _ignore)
                )
                # Another question: the tokens of the same one would be cached too.
                warm_prompt = [*cold_prompt[:-1], Message("user", QUESTIONS[(turn + 1) % len(QUESTIONS)])]
                warm.append(
                    await model.complete("fast", Prompt(warm_prompt), Sampling(max_output_tokens=4), BENCH, _ignore)
                )
                advance()
        finally:
            server.end()
    table = Table(title=f"Prefix cache: {runs} pairs, medians")
    for title in ("", "first token, ms", "input tokens", "of these cached"):
        table.add_column(title, justify="right" if title else "left")
    for name, completions in (("cold", cold), ("warm", warm)):
        first_token = statistics.median(completion.first_token_ms or 0 for completion in completions)
        tokens = [statistics.median(count) for count in zip(*_tokens(completions), strict=True)]
        table.add_row(name, f"{first_token:,.0f}", *(f"{count:,.0f}" for count in tokens))
    ratios = [
        (warm_completion.first_token_ms or 0) / (cold_completion.first_token_ms or 1)
        for cold_completion, warm_completion in zip(cold, warm, strict=True)
    ]
    console.print(table)
    console.print(f"warm / cold: {statistics.median(ratios):.3f} [{min(ratios):.3f}-{max(ratios):.3f}]")


def _tokens(completions: list[Completion]) -> list[tuple[int, int]]:
    return [(completion.usage.input_tokens or 0, completion.usage.cached_tokens) for completion in completions]


def _ready(port: int) -> Callable[[], bool]:
    def ready() -> bool:
        try:
            return httpx.get(f"http://{HOST}:{port}/health", timeout=2, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    return ready
