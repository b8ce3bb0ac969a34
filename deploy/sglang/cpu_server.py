"""Returns the commands of the real SGLang on a CPU and of its router: for tests only, never for serving."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deploy.processes.ports import HOST
from deploy.sglang.install import CPU, Installed

NAME = "smollm2-135m-instruct"
"""The name under which the small model is served."""

CONTEXT = 8192
"""The context of one request in tokens, prompt and answer together."""

ENVIRONMENT: Mapping[str, str] = {
    # With more threads, they wait for each other on a busy machine: 1 to 39 tokens a second instead of 12.
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
"""The variables that are added to the server's environment."""


@dataclass(frozen=True)
class CpuServer:
    """One server of the small model."""

    port: int
    running: int = 4
    """The requests that it answers at the same time."""
    waiting: int = 16
    """The requests that may wait; one more is refused."""
    api_key: str | None = None
    admin_key: str | None = None

    def command(self, installed: Installed) -> list[str]:
        """Return the command that serves it until SIGTERM."""
        keys = {"--api-key": self.api_key, "--admin-api-key": self.admin_key}
        return [
            *(str(installed.python), "-m", "sglang.launch_server", "--device", "cpu", "--host", HOST),
            *("--port", str(self.port), "--model-path", str(installed.model), "--served-model-name", NAME),
            *("--context-length", str(CONTEXT), "--mem-fraction-static", "0.2", "--max-total-tokens", "16384"),
            *("--max-running-requests", str(self.running), "--max-queued-requests", str(self.waiting)),
            *("--chat-template", str(CPU / "tools.jinja"), "--tool-call-parser", "hermes"),
            # Where white space is allowed, a model of this size writes white space until max_tokens.
            "--constrained-json-disable-any-whitespace",
            *("--sampling-defaults", "openai"),  # else files of the model change what a request asks for
            *("--enable-metrics", "--enable-cache-report", "--enable-priority-scheduling"),
            "--sleep-on-idle",  # else it takes a whole core while idle
            *(part for flag, key in keys.items() if key is not None for part in (flag, key)),
        ]


def router_command(
    installed: Installed, port: int, metrics_port: int, workers: Sequence[str], api_key: str | None = None
) -> list[str]:
    """Return the command that puts `smg` in front of servers, at their addresses without `/v1`."""
    return [
        *(str(installed.smg), "launch", "--host", HOST, "--port", str(port)),
        *("--prometheus-host", HOST, "--prometheus-port", str(metrics_port)),
        *("--worker-urls", *workers, "--policy", "cache_aware"),
        *("--health-check-interval-secs", "2", "--health-failure-threshold", "1", "--health-success-threshold", "1"),
        *(("--api-key", api_key) if api_key else ()),
    ]
