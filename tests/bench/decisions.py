"""The time from a person's approval to the call of the tool."""

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
    """A service that takes messages and records when each arrived."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.arrivals: list[float] = []

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
        self.server.arrivals.append(time.perf_counter())
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps({"id": f"M-{len(self.server.arrivals)}"}).encode()
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


@dataclass
class _Waits:
    """The waits of all runs, in milliseconds."""

    started: list[float] = field(default_factory=list[float])
    answered: list[float] = field(default_factory=list[float])


class _Parts(BenchParts):
    """Adapters with the service of the benchmark, an agent of its own, and keys for signed decisions."""

    url = ""
    folder = Path()

    def __init__(self, settings: Settings, *others: Any) -> None:
        changed = {
            "tools": Tools(services={"desk": type(self).url}),
            "approvals": Approvals(keys=SecretStr(PUBLIC)),
            "paths": settings.paths.model_copy(update={"agents": type(self).folder}),
        }
        super().__init__(settings.model_copy(update=changed), *others)


AGENT = 'kind = "agent"\nsystem = "You write to people."\n[tools.send_message]\n'


async def _decided(
    live: Live, service: _Service, sign: Callable[[StepDecision, str], StepDecision], waits: _Waits
) -> None:
    live.stub.script = [calls(message()), {"content": "Done."}]
    run = await live.platform.start_agent("Write to bob.", agent="clerk", started_by="sam")
    [step] = await waiting(live.platform, run)
    approval = sign(decision(step), run)
    start = time.perf_counter()
    reply = await live.platform.decide(run, approval)
    waits.answered.append((time.perf_counter() - start) * 1000)
    assert isinstance(reply.came, Accepted), reply.came.reason
    await live.platform.result(run)
    waits.started.append((service.arrivals[-1] - start) * 1000)


async def decisions(console: Console, runs: int, advance: Callable[[], None]) -> None:
    """Measure and print."""
    console.print(METHOD)
    waits_by_kind = {"unsigned": _Waits(), "signed": _Waits()}
    with _Service() as service, tempfile.TemporaryDirectory(prefix="perdure-bench-") as name:
        agents = Path(name) / "agents"
        shutil.copytree(ROOT / "agents", agents, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
        (agents / "clerk.toml").write_text(AGENT)
        _Parts.url, _Parts.folder = f"http://127.0.0.1:{service.server_address[1]}", agents
        async with living(_Parts) as live:
            for warm_up in (True, False):
                for _ in range(3 if warm_up else runs):
                    await _decided(
                        live, service, lambda unsigned, _: unsigned, _Waits() if warm_up else waits_by_kind["unsigned"]
                    )
                    await _decided(live, service, signed, _Waits() if warm_up else waits_by_kind["signed"])
                    if not warm_up:
                        advance()
    table = Table(title=f"Decisions: {runs} runs of each")
    for title in ("", "yes to tool, ms: p50", "p95", "yes to answer, ms: p50", "p95"):
        table.add_column(title, justify="right" if title else "left")
    for name, waits in waits_by_kind.items():
        table.add_row(name, *_two(waits.started), *_two(waits.answered))
    console.print(table)


def _two(milliseconds: list[float]) -> tuple[str, str]:
    p95 = statistics.quantiles(milliseconds, n=20, method="inclusive")[-1] if len(milliseconds) > 1 else milliseconds[0]
    return f"{statistics.median(milliseconds):.0f}", f"{p95:.0f}"
