"""Runs the embedded model server: llama.cpp behind the OpenAI protocol, on loopback, until a signal stops it."""

import argparse
import importlib
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from deploy.processes.errors import DeployError
from deploy.processes.ports import HOST, require_free

PROMPT_CACHE_MIB = 512
"""The memory for finished prompts, so that a shared beginning is computed once; llama.cpp's default is 8 GiB."""


@dataclass(frozen=True)
class Serving:
    """The options of one model server."""

    weights: Path
    name: str
    """The model's name in every reply."""
    port: int
    threads: int
    context: int
    """The context of one request in tokens, prompt and answer together; each parallel request has as many."""
    parallel: int


def command(serving: Serving) -> list[str]:
    """Return the command that serves it in a process of its own."""
    return [
        *(sys.executable, "-m", "deploy.local.stack.model_server", "--weights", str(serving.weights)),
        *("--name", serving.name, "--port", str(serving.port), "--threads", str(serving.threads)),
        *("--context", str(serving.context), "--parallel", str(serving.parallel)),
    ]


def serve(serving: Serving) -> None:
    """Load the weights and answer on the port until SIGTERM or SIGINT. Raises `DeployError`."""
    if not serving.weights.is_file():
        raise DeployError(f"no weights at {str(serving.weights)!r}: run `perdure fetch`, or name another file")
    # llama.cpp reports a taken port only as "unable to start", after it loaded the weights.
    require_free(serving.port, "--port")
    stop = threading.Event()

    def stop_serving(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop_serving)

    xllamacpp: Any = importlib.import_module("xllamacpp")  # a compiled module without types
    try:
        server = xllamacpp.Server(_params(xllamacpp, serving))
    except RuntimeError as error:
        raise DeployError(
            f"llama.cpp cannot serve {str(serving.weights)!r} on port {serving.port}: {error}; "
            "its own lines above say why"
        ) from None
    print(f"ready {server.listening_address}", flush=True)
    stop.wait()


def _params(xllamacpp: Any, serving: Serving) -> Any:
    params = xllamacpp.CommonParams()
    params.model.path = str(serving.weights)
    params.model_alias = {serving.name}
    params.hostnames = [HOST]
    params.port = serving.port
    params.reuse_port = False  # else a second server would share the port and answer half of the requests
    params.cors_origins = f"http://{HOST}"  # else any page in the user's browser may call it
    params.cors_origins_explicit = True
    params.ui = False
    params.endpoint_metrics = True
    params.cont_batching = True
    params.cache_prompt = True
    params.cache_ram_mib = PROMPT_CACHE_MIB
    params.n_parallel = serving.parallel
    params.n_ctx = serving.context * serving.parallel  # llama.cpp divides it among the parallel requests
    params.fit_params = False  # it would shrink the context silently when memory is short
    params.offline = True
    params.verbosity = 2  # warnings and errors
    params.cpuparams.n_threads = serving.threads
    params.cpuparams_batch.n_threads = serving.threads
    return params


def main() -> None:
    """Serve the model that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local.stack.model_server", description=__doc__)
    parser.add_argument("--weights", type=Path, required=True, help="a GGUF file")
    parser.add_argument("--name", required=True, help="the model's name in every reply")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--context", type=int, required=True, help="tokens of one request, prompt and answer together")
    parser.add_argument("--parallel", type=int, required=True, help="requests answered at the same time")
    options = parser.parse_args()
    try:
        serve(Serving(**vars(options)))
    except DeployError as error:
        sys.exit(f"model server: {error}")


if __name__ == "__main__":
    main()
