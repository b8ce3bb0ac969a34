"""The worker process: its output, the libraries that it loads, and how it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from temporalio.client import Client

from activities.settings import ROOT, environment_with
from deploy.processes.ports import free_ports
from tests.support.waiting import until

SLOW = {
    "workflows": set[str](),
    "retrieval": {"lancedb", "onnxruntime"},
    "guards": {"guardrails"},
    "generation": {"litellm"},
}
"""The slow libraries that each role may load."""


def worker(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "worker.py", *arguments],
        cwd=ROOT,
        env=environment_with(**environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_help_names_every_role() -> None:
    output, _ = worker("--help").communicate(timeout=60)
    assert all(role in output for role in SLOW)


def test_an_unknown_role_is_refused() -> None:
    process = worker("--role", "baker")
    _, complained = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "invalid choice: 'baker'" in complained


def test_no_server_is_one_line_and_a_failure(tmp_path: Path) -> None:
    [port] = free_ports(1)
    process = worker(
        "--role", "workflows", TEMPORAL_ADDRESS=f"127.0.0.1:{port}", PERDURE_PATHS__STATE=str(tmp_path / "state")
    )
    _, complained = process.communicate(timeout=120)
    assert process.returncode == 1
    assert complained.strip().splitlines()[-1] == (
        f"worker: no Temporal server answers at 127.0.0.1:{port}: start one with `make up`, or set TEMPORAL_ADDRESS"
    )
    assert "Traceback" not in complained


def test_a_setting_that_cannot_be_used_is_one_line() -> None:
    process = worker("--role", "workflows", PERDURE_WORK__ACTIVITIES="many")
    _, complained = process.communicate(timeout=60)
    assert process.returncode == 1
    assert complained.startswith("perdure: a PERDURE_ setting cannot be used: PERDURE_WORK__ACTIVITIES")
    assert len(complained.splitlines()) == 1


async def test_it_says_when_it_is_ready_and_stops_on_sigterm(client: Client, tmp_path: Path) -> None:
    process = worker(
        *("--role", "workflows", "--alive", str(tmp_path / "alive")),
        TEMPORAL_ADDRESS=client.service_client.config.target_host,
        PERDURE_PATHS__STATE=str(tmp_path / "state"),
    )
    assert process.stdout is not None
    assert not (tmp_path / "alive").exists()
    assert process.stdout.readline().startswith("ready: workflows after")
    await until((tmp_path / "alive").exists, what="a sign of life")
    os.utime(tmp_path / "alive", (0, 0))
    await until(lambda: (tmp_path / "alive").stat().st_mtime > 0, what="another sign of life")
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert output.splitlines() == ["stopping: finishing what is in hand", "stopped"]
    assert process.returncode == 0


@pytest.mark.parametrize("role", SLOW)
def test_a_role_loads_only_its_own_slow_libraries(role: str, tmp_path: Path) -> None:
    program = (
        "import asyncio, sys\n"
        "from contextlib import AsyncExitStack\n"
        "from pathlib import Path\n"
        "import worker\n"
        "from activities.settings import Paths, Settings, quiet_libraries\n"
        "quiet_libraries()\n"
        "async def main():\n"
        "    async with AsyncExitStack() as stack:\n"
        f"        parts = await worker.Adapters.open(Settings(paths=Paths(state=Path({str(tmp_path)!r}))), stack)\n"
        f"        getattr(parts, {'routing' if role == 'workflows' else role!r})()\n"
        "asyncio.run(main())\n"
        "print(*sys.modules)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    loaded = set(ended.stdout.split())
    every = set[str]().union(*SLOW.values(), {"weaviate"})
    assert loaded & every == SLOW[role]


def test_where_weaviate_is_chosen_its_client_is_loaded_in_lancedbs_place() -> None:
    program = (
        "import asyncio, sys, warnings\n"
        "import numpy  # which has filters of its own\n"
        "from activities.adapters.stores.open import open_store\n"
        "from activities.settings import Settings, Store\n"
        "async def main():\n"
        "    async with open_store(Settings(store=Store(weaviate='http://127.0.0.1:9'))):\n"
        "        print(*sys.modules)\n"
        "before = list(warnings.filters)\n"
        "asyncio.run(main())\n"
        "assert warnings.filters == before\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    assert {"lancedb", "weaviate"} & set(ended.stdout.split()) == {"weaviate"}
    assert ended.stderr == "", "it says nothing of what it will deprecate one day"


def test_it_ends_while_a_library_is_still_being_imported() -> None:
    """The test stops a worker while its guards are loaded. Without `leave` the process would never end."""
    code = """
import _imp, gc, threading, worker

class Late:
    def __del__(self):
        import this  # what a library does in the end

def hold():
    _imp.acquire_lock()
    held.set()
    threading.Event().wait()

gc.disable()
held, late = threading.Event(), Late()
late.itself = late
del late  # found by the last collection of all
threading.Thread(target=hold, daemon=True).start()
held.wait()
print("served")
worker.leave()
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "served\n", "")
