"""A whole stack for a test: Temporal, the stub model, a desk, and workers that may be killed; driven by its input.

`python -m deploy.testing.stack --state FOLDER` starts it on free ports, with settings of its own: of the environment
it keeps where models and programs are. A line of JSON tells the addresses once everything is ready. Then each line of
input is a command and each line of output its answer: `kill` ends the worker as a power cut would, `serve` lets another
one take over. With the end of its input it stops everything, so a test that is killed leaves nothing behind.
"""

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from activities.settings import adopt
from deploy.local.commands.index import index_folder
from deploy.local.stack import desk
from deploy.local.stack.stack import Stack
from deploy.local.weights import weights
from deploy.processes.errors import DeployError
from deploy.processes.ports import HOST, free_ports
from deploy.processes.process import Process
from deploy.testing.standby_workers import ForkServer, StandbyWorkers
from deploy.testing.stub.model import MODEL

KEPT = ("PERDURE_PATHS__MODELS", "PERDURE_PATHS__PROGRAMS", "PERDURE_PATHS__WEIGHTS")
"""What a rehearsal takes from the environment: files that are read, and nothing that a run changes."""

CATALOGUE = """\
[tiers]
fast = ["stub"]
strong = ["stub"]

[deployments.stub]
model = "{model}"
provider = "hosted_vllm"
endpoint = "{url}"
context_window = {context}
concurrency = 16
capabilities = {{ tools = "native", json_schema = true, logprobs = true }}
prices = {{ input = {input}, output = {output} }}
"""
"""Both tiers ask the stub, under its own prices: what a run settles can be held against the bill."""

CONTEXT = 131_072
"""Tokens that the stub is said to take: a test's conversations fit."""


def main() -> None:
    """Start everything, obey, stop everything."""
    parser = argparse.ArgumentParser(prog="python -m deploy.testing.stack", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--state", type=Path, required=True, help="its own state folder")
    parser.add_argument("--setting", action="append", default=[], metavar="PERDURE_...=VALUE", help="of the workers")
    parser.add_argument("--tools", type=Path, help="a folder of further tools")
    parser.add_argument("--documents", type=Path, help="a folder to index first")
    parser.add_argument("--collection", default="handbook", help="the collection that it becomes")
    parser.add_argument("--tenant", default="default", help="whose it is")
    parser.add_argument("--desk-pause", type=float, default=0, help="seconds between what a POST does and its answer")
    parser.add_argument("--prices", type=int, nargs=2, default=(400_000, 1_600_000), metavar=("INPUT", "OUTPUT"))
    parser.add_argument("--no-worker", dest="worker", action="store_false", help="start no worker until `serve`")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as stack:
        try:
            rehearse(given, stack)
        except DeployError as error:
            sys.exit(f"perdure: {error}")
        except KeyboardInterrupt:
            sys.exit(130)


def rehearse(given: argparse.Namespace, stack: ExitStack) -> None:
    """The rehearsal itself; what it started is stopped with the stack. Raises `DeployError`."""
    state: Path = given.state.resolve()
    logs = state / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    environment = {"PERDURE_PATHS__STATE": str(state), **dict(setting.split("=", 1) for setting in given.setting)}

    bill, stub_log = state / "bill.db", logs / "stub.log"
    prices = [str(price) for price in given.prices]
    command = [sys.executable, "-m", "deploy.testing.stub", "--bill", str(bill), "--prices", *prices]
    begin(stack, Process("the stub model", command, log=stub_log, ready=lambda: spoke(stub_log), environment={}))
    url = str(json.loads(stub_log.read_text().splitlines()[0])["url"])
    catalogue = state / "catalogue.toml"
    catalogue.write_text(
        CATALOGUE.format(model=MODEL, url=url, context=CONTEXT, input=given.prices[0], output=given.prices[1])
    )
    environment.setdefault("PERDURE_PATHS__CATALOGUE", str(catalogue))

    [port, temporal, ui] = free_ports(3)
    begin(stack, desk.part(port, state / "desk.db", logs / "desk.log", pause=given.desk_pause))
    services = {"desk": f"http://{HOST}:{port}", **json.loads(environment.get("PERDURE_TOOLS__SERVICES", "{}"))}
    environment["PERDURE_TOOLS__SERVICES"] = json.dumps(services)
    environment["PERDURE_EMBEDDED__TEMPORAL_PORT"], environment["PERDURE_EMBEDDED__UI_PORT"] = str(temporal), str(ui)

    settings = adopt(environment, KEPT)
    for name in weights.EMBEDDING:
        weights.fetch(name, settings)
    if given.documents is not None:
        asyncio.run(index_folder(given.documents, settings, tenant=given.tenant, collection=given.collection))
    addresses = stack.enter_context(Stack(settings, model=False, worker=False))
    fork_server = ForkServer(logs, {"TEMPORAL_ADDRESS": addresses.temporal}, given.tools)
    stack.callback(fork_server.close)
    workers = StandbyWorkers(fork_server)
    if given.worker:
        workers.ready()
    told = {
        "temporal": addresses.temporal,
        "ui": addresses.ui,
        "model": url,
        "desk": services["desk"],
        "bill": str(bill),
        "state": str(state),
    }
    print(json.dumps(told), flush=True)
    obey(workers)


def obey(workers: StandbyWorkers) -> None:
    """Do what the lines of the input say, until there are no more."""
    commands: Mapping[str, Callable[[], dict[str, object]]] = {
        "kill": lambda: {"killed": workers.kill()},
        "serve": lambda: serve(workers),
        "check": lambda: checked(workers),
    }
    for line in sys.stdin:
        command = commands.get(line.strip())
        try:
            said = {"error": f"there is no command {line.strip()!r}"} if command is None else command()
        except DeployError as error:
            said: dict[str, object] = {"error": str(error)}
        print(json.dumps(said), flush=True)


def serve(workers: StandbyWorkers) -> dict[str, object]:
    """Let the one that stands by serve."""
    workers.promote()
    workers.ready()
    return {"serving": time.monotonic()}


def checked(workers: StandbyWorkers) -> dict[str, object]:
    """Whether the worker still serves."""
    workers.check()
    return {"serving": time.monotonic()}


def begin(stack: ExitStack, part: Process) -> None:
    """Start a part, and end it with the stack."""
    stack.callback(part.end)
    part.begin(lambda _: None)


def spoke(log: Path) -> bool:
    """Whether a part has told where it is."""
    return log.exists() and log.read_text().endswith("\n")


if __name__ == "__main__":
    main()
