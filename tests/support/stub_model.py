"""A stub model, for tests about protocol, faults and speed: real HTTP, no intelligence, and it counts its calls.

It speaks the part of the OpenAI protocol that the platform uses, answers every question from the first sentence it
is given, and remembers each call. Run it with `python -m tests.support.stub_model --port 0 --calls FILE`; its first
line of output is `ready PORT`. `POST /script` with a JSON list sets what the next calls meet, one item each:

- `"answer"`: an answer (the default when the script is over);
- `"503"`, `"429"`, `"400"`, `"500"`: that status;
- `"drop"`: the connection is closed without a reply, after the call was counted;
- `"malformed"`: a reply that is not the JSON asked for;
- `{"seconds": 3}`: an answer after that time;
- `"hang"`: no answer until the caller goes away.
"""

import argparse
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

MODEL = "stub-model"
"""What the stub calls itself."""

INPUT_TOKENS, OUTPUT_TOKENS = 120, 12
"""What it reports for every call."""


class StubModel(ThreadingHTTPServer):
    """The server and what it remembers."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, calls_file: Path | None = None) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.calls = 0
        self.called = threading.Event()
        self.script: list[Any] = []
        self.lock = threading.Lock()
        self.calls_file = calls_file

    @property
    def url(self) -> str:
        """The endpoint, as a catalogue names it."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def count(self) -> Any:
        """Remember a call, before anything is answered, and say what it meets."""
        with self.lock:
            self.calls += 1
            self.called.set()
            if self.calls_file is not None:
                with self.calls_file.open("a") as file:
                    file.write(f"{time.time()}\n")
            return self.script.pop(0) if self.script else "answer"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, name="stub-model", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StubModel  # pyright: ignore[reportIncompatibleVariableOverride] - the base names it more widely

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/script":
            self.server.script = list(body)
            self._send(200, {})
            return
        meets = self.server.count()
        if isinstance(meets, dict):
            time.sleep(float(meets["seconds"]))  # pyright: ignore[reportUnknownArgumentType] - JSON
            meets = "answer"
        match meets:
            case "answer":
                self._send(200, _completion(_choices(body)))
            case "malformed":
                self._send(200, _completion("this is not JSON"))
            case "drop":
                self.close_connection = True
            case "hang":
                while self.connection.recv(1):
                    pass
                self.close_connection = True
            case status:
                self._send(int(status), {"error": {"message": f"scripted {status}", "code": int(status)}})

    def do_GET(self) -> None:
        match self.path:
            case "/calls":
                self._send(200, {"calls": self.server.calls})
            case _:
                self._send(200, {"status": "ok"})

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: tests read what they assert on."""

    def _send(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _choices(request: dict[str, Any]) -> str:
    """The first sentence for every part that the schema asks for."""
    schema = request["response_format"]["json_schema"]["schema"]
    prompt = str(request["messages"][-1]["content"])
    first = next((line.removeprefix("[1] ") for line in prompt.splitlines() if line.startswith("[1] ")), "")
    return json.dumps({key: {"source": 1 if first else 0, "answer": first} for key in schema["required"]})


def _completion(content: str) -> dict[str, Any]:
    return {
        "id": "stub",
        "object": "chat.completion",
        "created": 0,
        "model": MODEL,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": INPUT_TOKENS,
            "completion_tokens": OUTPUT_TOKENS,
            "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
        },
    }


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--calls", type=Path, help="a file that gets one line for each call")
    given = parser.parse_args()
    server = StubModel(given.port, given.calls)
    print("ready", server.server_address[1], flush=True)  # noqa: T201 - the starter waits for it
    server.serve_forever()


if __name__ == "__main__":
    main()
