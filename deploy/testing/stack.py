"""Runs a whole stack for a test: Temporal, the stub model, a desk, and workers that may be killed; driven by its input.

`python -m deploy.testing.stack --state FOLDER` starts it on free ports, with settings of its own: from the environment
it takes only the folders of models and programs. Once everything is ready it prints the addresses as a line of JSON.
Then each line of input is a command and each line of output its answer: `kill` ends the worker as a power cut would,
`serve` lets another worker take over. At the end of its input it stops everything: a killed test leaves nothing behind.
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
"""The variables that a test stack takes from the environment: folders that are only read."""

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
"""The catalogue: both tiers are the stub, with its prices, so that a run's spend can be compared with the bill."""

CONTEXT = 131_072
"""The context window of the stub, in tokens: the conversations of tests fit."""


def main() -> None:
    """Start the stack, follow the commands of the input, and stop the stack."""
    parser = argparse.ArgumentParser(prog="python -m deploy.testing.stack", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--state", type=Path, required=True, help="its own state folder")
    parser.add_argument("--setting", action="append", default=[], metavar="PERDURE_...=VALUE", help="of the workers")
    parser.add_argument("--documents", type=Path, help="a folder to index first")
    parser.add_argument("--collection", default="handbook", help="the collection that it becomes")
    parser.add_argument("--tenant", default="default", help="whose it is")
    parser.add_argument("--desk-pause", type=float, default=0, help="seconds between what a POST does and its answer")
    parser.add_argument("--prices", type=int, nargs=2, default=(400_000, 1_600_000), metavar=("INPUT", "OUTPUT"))
    parser.add_argument("--no-worker", dest="worker", action="store_false", help="start no worker until `serve`")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as stack:
        try:
            run(options, stack)
        except DeployError as error:
            sys.exit(f"perdure: {error}")
        except KeyboardInterrupt:
            sys.exit(130)


def run(options: argparse.Namespace, stack: ExitStack) -> None:
    """Start every process, print the addresses, follow commands; `stack` stops everything. Raises `DeployError`."""
    state: Path = options.state.resolve()
    logs = state / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    environment = {"PERDURE_PATHS__STATE": str(state), **dict(setting.split("=", 1) for setting in options.setting)}

    bill, stub_log = state / "bill.db", logs / "stub.log"
    prices = [str(price) for price in options.prices]
    command = [sys.executable, "-m", "deploy.testing.stub", "--bill", str(bill), "--prices", *prices]
    begin(stack, Process("the stub model", command, log=stub_log, ready=lambda: has_printed(stub_log), environment={}))
    url = str(json.loads(stub_log.read_text().splitlines()[0])["url"])
    catalogue = state / "catalogue.toml"
    catalogue.write_text(
        CATALOGUE.format(model=MODEL, url=url, context=CONTEXT, input=options.prices[0], output=options.prices[1])
    )
    environment.setdefault("PERDURE_PATHS__CATALOGUE", str(catalogue))

    [port, temporal, ui] = free_ports(3)
    begin(stack, desk.part(port, state / "desk.db", logs / "desk.log", pause=options.desk_pause))
    services = {"desk": f"http://{HOST}:{port}", **json.loads(environment.get("PERDURE_TOOLS__SERVICES", "{}"))}
    environment["PERDURE_TOOLS__SERVICES"] = json.dumps(services)
    environment["PERDURE_EMBEDDED__TEMPORAL_PORT"], environment["PERDURE_EMBEDDED__UI_PORT"] = str(temporal), str(ui)

    settings = adopt(environment, KEPT)
    for name in weights.EMBEDDING:
        weights.fetch(name, settings)
    if options.documents is not None:
        asyncio.run(index_folder(options.documents, settings, tenant=options.tenant, collection=options.collection))
    addresses = stack.enter_context(Stack(settings, model=False, worker=False))
    fork_server = ForkServer(logs, {"TEMPORAL_ADDRESS": addresses.temporal})
    stack.callback(fork_server.close)
    workers = StandbyWorkers(fork_server)
    if options.worker:
        workers.ready()
    addresses_line = {
        "temporal": addresses.temporal,
        "ui": addresses.ui,
        "model": url,
        "desk": services["desk"],
        "bill": str(bill),
        "state": str(state),
    }
    print(json.dumps(addresses_line), flush=True)
    follow_commands(workers)


def follow_commands(workers: StandbyWorkers) -> None:
    """Run the command in each line of the input, and print its answer, until the input ends."""
    commands: Mapping[str, Callable[[], dict[str, object]]] = {
        "kill": lambda: {"killed": workers.kill()},
        "serve": lambda: serve(workers),
        "check": lambda: check(workers),
    }
    for line in sys.stdin:
        command = commands.get(line.strip())
        try:
            answer = {"error": f"there is no command {line.strip()!r}"} if command is None else command()
        except DeployError as error:
            answer: dict[str, object] = {"error": str(error)}
        print(json.dumps(answer), flush=True)


def serve(workers: StandbyWorkers) -> dict[str, object]:
    """Let the standby worker serve; return the time."""
    workers.promote()
    workers.ready()
    return {"serving": time.monotonic()}


def check(workers: StandbyWorkers) -> dict[str, object]:
    """Raise `ProcessDied` unless the worker still serves; return the time."""
    workers.check()
    return {"serving": time.monotonic()}


def begin(stack: ExitStack, process: Process) -> None:
    """Start a process, and end it with the stack."""
    stack.callback(process.end)
    process.begin(lambda _: None)


def has_printed(log: Path) -> bool:
    """Return whether a process has printed its address."""
    return log.exists() and log.read_text().endswith("\n")


if __name__ == "__main__":
    main()
