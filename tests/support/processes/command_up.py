"""`python -m deploy.local up` as a user runs it: what it prints and when, its parts to kill, and runs on a stub."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from activities.settings import ROOT, environment_with
from deploy.processes.ports import free_ports
from deploy.processes.state_file import Addresses, Record
from deploy.testing.stub.replies import Json
from perdure.client import Platform
from perdure.contracts.runs.run import RunResult
from perdure.errors import NoServer, PlatformError
from tests.support.servers.stub_model import StubHandler, StubModel
from tests.support.waiting import until

PARTS: tuple[str, ...] = ("the Temporal server", "the model server", "the desk", "the worker")

CATALOGUE = """\
[tiers]
fast = ["stub"]
strong = ["fast"]

[deployments.stub]
model = "qwen2.5-coder-0.5b-instruct"
provider = "hosted_vllm"
endpoint = "{stub}"
context_window = 8192
concurrency = 16
capabilities = {{ tools = "native", json_schema = true, logprobs = true }}
prices = {{ input = 1, output = 1 }}

[deployments.fast]
model = "{weights}-instruct"
provider = "hosted_vllm"
endpoint = "http://127.0.0.1:1/v1"
context_window = {context}
concurrency = 2
weights = "{weights}"
capabilities = {{ tools = "schema", json_schema = true, logprobs = true }}
prices = {{ input = 1, output = 1 }}
"""
"""Runs of the tier `fast` ask the stub; the stack serves a real model for `strong`."""


class GatedStub(StubModel):
    """A model that asks for a ticket at every turn, and answers at the end; each turn waits until the test opens it."""

    def __init__(self, turns: int, opened: int = 0) -> None:
        super().__init__(0, handler=GatedHandler)
        self.turns = turns
        self.opened = opened
        """The number of turns that are answered."""
        self.asked: set[int] = set()
        """The turns that were asked for."""


class GatedHandler(StubHandler):
    """Answers by the number of results that the model has read."""

    server: GatedStub  # pyright: ignore[reportIncompatibleVariableOverride] - the base names it more widely

    def meet(self, meets: Any, request: Json) -> None:
        del meets
        turn = sum(message["role"] == "tool" for message in request["messages"])
        self.server.asked.add(turn)
        while turn >= self.server.opened:
            self.wait(0.05)
        run = re.search(r"run (\w+)", str(request["messages"]))
        ticket = {"title": f"ticket {turn} of {run and run[1]}", "text": "It is broken."}
        call = {"tool_calls": [{"name": "create_ticket", "arguments": ticket}]}
        super().meet(call if turn < self.server.turns else {"content": "It is done."}, request)


@dataclass
class Up:
    """The running command."""

    process: subprocess.Popen[str]
    state: Path
    lines: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    """What it has printed, each line with the moment when it was read."""

    @property
    def addresses(self) -> Addresses:
        addresses = self._record.addresses
        assert addresses is not None
        return addresses

    @property
    def _record(self) -> Record:
        record = Record.read(self.state)
        assert record is not None, self.output
        return record

    @property
    def output(self) -> str:
        return "\n".join(line for _, line in self.lines)

    def kill(self, part: str) -> float:
        """Kill a part as a crash does; return the moment."""
        [pid] = [known.pid for known in self._record.parts if known.name == part and known.running()]
        moment = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        return moment

    async def printed(self, pattern: str, after: float) -> float:
        """Wait for a line that was printed after a moment; return how many seconds after it."""
        found: list[float] = []

        def is_there() -> bool:
            assert self.process.poll() is None, self.output
            found.extend(at - after for at, line in list(self.lines) if at > after and re.match(pattern, line))
            return bool(found)

        await until(is_there, what=f"it prints {pattern!r} after\n{self.output}", seconds=180)
        return found[0]


def read_into(up: Up) -> None:
    """Keep each line with its moment, until the command ends."""
    assert up.process.stdout is not None
    for line in up.process.stdout:
        up.lines.append((time.monotonic(), line.rstrip("\n")))


@contextmanager
def command_up(state: Path, project: Path, *, weights: Sequence[str | int], stub: str) -> Generator[Up]:
    """Run the command on free ports, with an author's folders `agents` and `tools` in a project.

    `weights` are the name and the context of those behind its model server.
    """
    for folder in ("agents", "tools"):
        (project / folder).mkdir(parents=True, exist_ok=True)
    catalogue = state / "catalogue.toml"
    name, context = weights
    catalogue.write_text(CATALOGUE.format(stub=stub, weights=name, context=context))
    names = ("TEMPORAL_PORT", "UI_PORT", "MODEL_PORT", "DESK_PORT")
    ports = {f"PERDURE_EMBEDDED__{key}": str(port) for key, port in zip(names, free_ports(4), strict=True)}
    environment = environment_with(
        PERDURE_PATHS__STATE=str(state),
        PERDURE_PATHS__CATALOGUE=str(catalogue),
        PERDURE_PATHS__AGENTS=str(project / "agents"),
        PERDURE_PATHS__TOOLS=str(project / "tools"),
        TEMPORAL_CONFIG_FILE=os.devnull,
        **ports,
    )
    environment.pop("TEMPORAL_ADDRESS", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.local", "up", "--tier", "strong"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    up = Up(process, state)
    reading = threading.Thread(target=read_into, args=(up,), daemon=True)
    reading.start()
    try:
        yield up
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        finally:
            process.kill()
            process.wait()
            reading.join()
            assert process.stdout is not None
            process.stdout.close()


async def patiently(result: Callable[[], Any]) -> Any:
    """Ask again for as long as the server is away: it is being started again."""
    while True:
        try:
            return await result()
        except PlatformError as error:
            if type(error) not in {NoServer, PlatformError}:  # those without a kind are of a call that was cut off
                raise
            await asyncio.sleep(0.2)


async def result_of(platform: Platform, run: str) -> RunResult:
    """Return the result of a run, whatever happens to the server meanwhile."""
    result: RunResult = await patiently(lambda: platform.result(run))
    return result
