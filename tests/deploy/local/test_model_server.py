"""The embedded model server speaks the protocol, with the smallest real model."""

import json
import subprocess
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from activities.adapters.model_servers.http_model_servers import HttpModelServers
from activities.settings import ROOT
from deploy.local.stack import model_server
from deploy.local.stack.model_server import Serving
from deploy.local.weights.weights import fetch
from deploy.processes.ports import free_ports
from tests.ports.models.model_cases import catalogue
from tests.support.waiting import wait_until

SCHEMA = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "green", "blue"]}},
    "required": ["colour"],
    "additionalProperties": False,
}


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health").is_success
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Generator[Serving]:
    (port,) = free_ports(1)
    served = Serving(weights=fetch("smollm2-135m"), name="smollm2", port=port, threads=1, context=512, parallel=2)
    log = tmp_path_factory.mktemp("model") / "log"
    with (
        log.open("w") as out,
        subprocess.Popen(model_server.command(served), cwd=ROOT, stdout=out, stderr=out) as process,
    ):
        try:
            wait_until(lambda: answers(port) or process.poll() is not None, what="the model server answers")
            assert process.poll() is None, log.read_text()
            yield served
        finally:
            process.terminate()
            assert process.wait(timeout=15) == 0, log.read_text()


def test_a_reply_holds_to_its_schema_names_its_model_and_counts_its_tokens(serving: Serving) -> None:
    ask = {
        "model": serving.name,
        "messages": [{"role": "user", "content": "Name a colour."}],
        "max_tokens": 64,
        "temperature": 0,
        "response_format": {"type": "json_schema", "json_schema": {"name": "colour", "schema": SCHEMA}},
    }
    reply = httpx.post(f"http://127.0.0.1:{serving.port}/v1/chat/completions", json=ask, timeout=120).json()
    assert json.loads(reply["choices"][0]["message"]["content"])["colour"] in {"red", "green", "blue"}
    assert reply["choices"][0]["finish_reason"] == "stop"
    assert reply["model"] == "smollm2"
    assert reply["usage"]["prompt_tokens"] > 0
    assert reply["usage"]["completion_tokens"] > 0


def test_every_parallel_request_has_the_whole_context(serving: Serving) -> None:
    slots = httpx.get(f"http://127.0.0.1:{serving.port}/slots").json()
    assert [slot["n_ctx"] for slot in slots] == [serving.context] * serving.parallel


def test_its_metrics_are_served_and_a_user_interface_is_not(serving: Serving) -> None:
    assert "llamacpp:prompt_tokens_total" in httpx.get(f"http://127.0.0.1:{serving.port}/metrics").text
    assert httpx.get(f"http://127.0.0.1:{serving.port}/").status_code == 404


def test_a_page_of_another_site_may_not_read_replies(serving: Serving) -> None:
    reply = httpx.get(f"http://127.0.0.1:{serving.port}/v1/models", headers={"Origin": "https://example.com"})
    assert reply.headers.get("access-control-allow-origin") not in {"*", "https://example.com"}


def test_a_second_server_does_not_share_the_port(serving: Serving) -> None:
    process = subprocess.run(
        model_server.command(serving), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert process.returncode == 1
    assert len(process.stderr.splitlines()) == 1
    assert process.stderr.startswith(f"model server: port {serving.port} is in use by ")


def test_weights_that_are_not_there_are_one_line(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    missing = Serving(weights=tmp_path / "none.gguf", name="none", port=port, threads=1, context=512, parallel=1)
    process = subprocess.run(
        model_server.command(missing), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert process.returncode == 1
    assert "no weights at" in process.stderr
    assert "perdure fetch" in process.stderr
    assert "Traceback" not in process.stderr


def test_a_file_that_is_no_model_is_one_line_after_the_librarys_own(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF is not what follows")
    (port,) = free_ports(1)
    served = Serving(weights=broken, name="none", port=port, threads=1, context=512, parallel=1)
    process = subprocess.run(
        model_server.command(served), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert process.returncode == 1
    # The library's own log comes from another thread, in any order.
    [reason] = [line for line in process.stderr.splitlines() if line.startswith("model server: ")]
    assert reason.startswith("model server: llama.cpp cannot serve")
    assert "Traceback" not in process.stderr


async def test_operators_see_that_it_is_ready_and_how_busy_it_is(serving: Serving, tmp_path: Path) -> None:
    endpoint = f"http://127.0.0.1:{serving.port}/v1"
    servers = HttpModelServers(catalogue(tmp_path, endpoint, model=serving.name, context_window="512"))
    health = await servers.health("fast")
    assert (health.ready, health.reason, health.models) == (True, "", (serving.name,))
    load = await servers.load("fast")
    assert (load.running, load.waiting) == (0, 0)
