"""From a person's yes to the tool: how soon a call that was approved is made."""

import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Self

from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from activities.settings import ROOT, Approvals, Settings, Tools
from perdure.contracts.tool_calls.decisions import Accepted, StepDecision
from tests.bench.live import BenchParts, Live, living
from tests.support.runs.people import PUBLIC, calls, decision, message, signed, waiting

METHOD = (
    "Decisions: an agent asks for `send_message`, which waits; from the moment at which the client sends the yes to "
    "the one at which the service that the tool calls has its request, and to the client's answer. One run after "
    "another, unsigned and signed in turn (ES256, verified by an effect)."
)


class _Service(ThreadingHTTPServer):
    """A service that takes messages and remembers when the last one came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.came: list[float] = []

    def __enter__(self) -> Self:
        Thread(target=self.serve_forever, name="service", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Service  # pyright: ignore[reportIncompatibleVariableOverride] - the base names it more widely

    def do_POST(self) -> None:
        self.server.came.append(time.perf_counter())
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps({"id": f"M-{len(self.server.came)}"}).encode()
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@dataclass
class _Waits:
    """Milliseconds, run by run."""

    started: list[float] = field(default_factory=list[float])
    answered: list[float] = field(default_factory=list[float])


class _Parts(BenchParts):
    """With the service of the bench, an agent of its own, and keys for what is signed."""

    url = ""
    folder = Path()

    def __init__(self, settings: Settings, *given: Any) -> None:
        changed = {
            "tools": Tools(services={"desk": type(self).url}),
            "approvals": Approvals(keys=SecretStr(PUBLIC)),
            "paths": settings.paths.model_copy(update={"agents": type(self).folder}),
        }
        super().__init__(settings.model_copy(update=changed), *given)


AGENT = 'kind = "agent"\nsystem = "You write to people."\n[tools.send_message]\n'


async def _decided(
    live: Live, service: _Service, sign: Callable[[StepDecision, str], StepDecision], to: _Waits
) -> None:
    live.stub.script = [calls(message()), {"content": "Done."}]
    run = await live.platform.start_agent("Write to bob.", agent="clerk", started_by="sam")
    [step] = await waiting(live.platform, run)
    yes = sign(decision(step), run)
    began = time.perf_counter()
    reply = await live.platform.decide(run, yes)
    to.answered.append((time.perf_counter() - began) * 1000)
    assert isinstance(reply.came, Accepted), reply.came.reason
    await live.platform.result(run)
    to.started.append((service.came[-1] - began) * 1000)


async def decisions(console: Console, runs: int, done: Callable[[], None]) -> None:
    """Measure and print."""
    console.print(METHOD)
    found = {"unsigned": _Waits(), "signed": _Waits()}
    with _Service() as service, tempfile.TemporaryDirectory(prefix="perdure-bench-") as name:
        agents = Path(name) / "agents"
        shutil.copytree(ROOT / "agents", agents, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
        (agents / "clerk.toml").write_text(AGENT)
        _Parts.url, _Parts.folder = f"http://127.0.0.1:{service.server_address[1]}", agents
        async with living(_Parts) as live:
            for warm_up in (True, False):
                for _ in range(3 if warm_up else runs):
                    await _decided(live, service, lambda said, _: said, _Waits() if warm_up else found["unsigned"])
                    await _decided(live, service, signed, _Waits() if warm_up else found["signed"])
                    if not warm_up:
                        done()
    table = Table(title=f"Decisions: {runs} runs of each")
    for title in ("", "yes to tool, ms: p50", "p95", "yes to answer, ms: p50", "p95"):
        table.add_column(title, justify="right" if title else "left")
    for name, waits in found.items():
        table.add_row(name, *_two(waits.started), *_two(waits.answered))
    console.print(table)


def _two(waits: list[float]) -> tuple[str, str]:
    p95 = statistics.quantiles(waits, n=20, method="inclusive")[-1] if len(waits) > 1 else waits[0]
    return f"{statistics.median(waits):.0f}", f"{p95:.0f}"
