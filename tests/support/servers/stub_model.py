"""A stub model, for tests about protocol, faults and speed: real HTTP, no intelligence, and it counts its calls.

It speaks the part of the OpenAI protocol that the platform uses, streams where it is asked to, answers every question
from the first sentence it is given, under the name it is asked for, and remembers each call. Run it with
`python -m tests.support.servers.stub_model --port 0 --calls FILE`; its first line is `ready PORT`. `POST /script`
with a JSON list sets what the next calls meet, one item each:

- `"answer"`: an answer (the default when the script is over);
- `"503"`, `"429"`, `"400"`, `"500"`: that status;
- `"drop"`: the connection is closed without a reply, after the call was counted;
- `"malformed"`: a reply whose content is not the JSON asked for;
- `"broken-json"`: a reply, or an event of a stream, that is no JSON;
- `"hang"`: no answer until the caller goes away;
- `"hang-headers"`: the headers of a reply, then nothing until the caller goes away;
- `"hang-mid"`: the beginning of a stream, then nothing until the caller goes away;
- `"cut"`: a stream whose connection is closed in the middle; `"stop-short"`: one that ends there as if it were whole;
- `"empty-stream"`: a stream without any event;
- `"html"`: a page with status 200;
- `"big"`: 10 MB of text;
- an object: an answer with any of `seconds` (waited first), `content`, `stream` (a list of pieces), `gap` (seconds
  between events), `model`, `finish_reason`, `tool_calls` (`[{"name": ..., "arguments": {...}}]`, or arguments as the
  text that the model writes), `usage` (false for none); or `status`, with `headers` and `body`; or `sse`, the recorded
  lines of a stream, whose connection stays open or breaks after them (`ends`: `"open"` or `"broken"`); or `bytes` with
  their `type`, the pieces of a body that are sent as they are (in this process only); or `dialect`, the name of one in
  `dialects.py`, with the fields of a `Truth` and a `seed` for how it is written; or `error_event`, which follows the
  first piece of a stream.

A conversation that model servers refuse gets the status 400, and no item of the script.

`GET /calls` counts the calls, and `GET /closed` lists when callers went away before they were answered (epoch seconds).
"""

import argparse
import json
import random
import threading
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from deploy.testing.stub.protocol import objection
from deploy.testing.stub.replies import INPUT_TOKENS, OUTPUT_TOKENS, Json, completion, events
from deploy.testing.stub.server import Gone, StubServer, StubSpeech
from tests.support.servers.dialects import DIALECTS, Dialect, Truth, stream_bytes

__all__ = ["INPUT_TOKENS", "MODEL", "OUTPUT_TOKENS", "Gone", "StubModel"]

MODEL = "qwen2.5-coder-0.5b-instruct"
"""The model name that the deployment `fast` asks for, and that the stub then reports."""

BIG = 10_000_000
"""The size of `"big"`'s text, in bytes."""


class StubModel(StubServer):
    """The server, and the calls that it remembers."""

    def __init__(self, port: int, calls_file: Path | None = None, handler: type["StubHandler"] | None = None) -> None:
        super().__init__(port, handler or StubHandler)
        self.calls = 0
        self.called = threading.Event()
        self.script: list[Any] = []
        self.lock = threading.Lock()
        self.calls_file = calls_file
        self.closed: list[float] = []
        """The times when clients disconnected before they were answered, in epoch seconds."""
        self.written = 0
        """The bytes of `"big"` that clients have read."""
        self.requests: list[Json] = []
        """The requests, the newest last."""
        self.keys: list[str | None] = []
        """The `Authorization` header of each call."""

    def count(self, request: Json) -> Any:
        """Record a call before it is answered, and return its item of the script."""
        with self.lock:
            self.calls += 1
            self.requests.append(request)
            self.called.set()
            if self.calls_file is not None:
                with self.calls_file.open("a") as file:
                    file.write(f"{time.time()}\n")
            return self.script.pop(0) if self.script else "answer"


class StubHandler(StubSpeech):
    """Answers one connection."""

    server: StubModel  # pyright: ignore[reportIncompatibleVariableOverride] - the base names it more widely

    def do_POST(self) -> None:  # noqa: N802 - http.server's name
        body: Any = self.body()
        if self.path == "/script":
            self.server.script = list(body)
            self.send(200, {})
            return
        self.server.keys.append(self.headers["Authorization"])
        try:
            self.meet(refused(body) or self.server.count(body), body)
        except (Gone, ConnectionError):
            self.server.closed.append(time.time())
            self.close_connection = True

    def do_GET(self) -> None:  # noqa: N802 - http.server's name
        match self.path:
            case "/calls":
                self.send(200, {"calls": self.server.calls})
            case "/closed":
                self.send(200, {"closed": self.server.closed})
            case _:
                self.send(200, {"status": "ok"})

    def meet(self, meets: Any, request: Json) -> None:  # noqa: C901, PLR0912 - one case for each word of a script
        match meets:
            case "answer":
                self._answer(request, {})
            case "malformed":
                self._answer(request, {"content": "this is not JSON"})
            case "broken-json":
                broken = b'{"choices": [{"index": 0, "message": {"content": "half'
                if request.get("stream"):
                    self.stream([*islice(events(request, {}), 2), broken, *events(request, {})])
                else:
                    self.plain(broken, "application/json")
            case "drop":
                self.close_connection = True
            case "hang":
                self.wait(None)
            case "hang-headers":
                self.stream([], ends=False) if request.get("stream") else self._headers_only()
                self.wait(None)
            case "hang-mid":
                self.stream(islice(events(request, {}), 2), ends=False)
                self.wait(None)
            case "cut":
                self.stream(islice(events(request, {}), 2), ends=False)
                self.close_connection = True
            case "stop-short":
                self.stream(islice(events(request, {}), 2))
            case "empty-stream":
                self.stream([])
            case "html":
                self.plain(b"<html><body>Sign in</body></html>", "text/html; charset=utf-8")
            case "big":
                self._big(request)
            case {"status": status, **rest}:
                self.send(int(status), rest.get("body", {}), rest.get("headers"))
            case {"dialect": name, **truth}:
                self._answer_in(DIALECTS[str(name)], request, truth)
            case {"bytes": pieces, "type": kind}:
                self.cut_anywhere(pieces, kind)
            case {"sse": lines, **rest}:
                self.stream((line.removeprefix("data: ").encode() for line in lines), ends="ends" not in rest)
                if rest.get("ends") == "open":
                    self.wait(None)
                self.close_connection = True
            case {"error_event": error}:
                self.stream([*islice(events(request, {}), 2), error])
            case {**item}:
                self.wait(float(item.get("seconds", 0)))
                self._answer(request, item)
            case status:
                self.send(int(status), {"error": {"message": f"scripted {status}", "code": int(status)}})

    def _answer(self, request: Json, item: Json) -> None:
        if request.get("stream"):
            self.stream(events(request, item), gap=float(item.get("gap", 0)), done=True)
        else:
            self.send(200, completion(request, item))

    def _answer_in(self, dialect: Dialect, request: Json, fields: Json) -> None:
        draw = random.Random(fields.pop("seed", 0))  # noqa: S311 - no secret
        calls: list[tuple[str, str]] = [(name, arguments) for name, arguments in fields.pop("calls", ())]
        truth = Truth(**fields, calls=tuple(calls))
        if request.get("stream"):
            self.cut_anywhere(stream_bytes(dialect.events(truth, draw), draw), "text/event-stream")
        else:
            self.send(200, dialect.whole(truth, draw))

    def _headers_only(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "1000")
        self.end_headers()

    def _big(self, request: Json) -> None:
        text = "word " * 2_000
        if request.get("stream"):
            self.stream(self._counted(events(request, {"stream": [text] * (BIG // len(text))})))
            return
        reply = json.dumps(completion(request, {"content": "word " * (BIG // 5)})).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        for start in range(0, len(reply), 65536):
            self.wfile.write(reply[start : start + 65536])
            self.server.written += 65536

    def _counted(self, stream: Iterable[Json]) -> Iterator[Json]:
        for event in stream:
            self.server.written += len(str(event))
            yield event


def refused(request: Json) -> Json | None:
    """Return the item of a script that refuses an invalid conversation, as servers do; None for a valid one."""
    reason = objection(request)
    return None if reason is None else {"status": 400, "body": {"error": {"message": reason, "code": 400}}}


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--calls", type=Path, help="a file that gets one line for each call")
    options = parser.parse_args()
    server = StubModel(options.port, options.calls)
    print("ready", server.server_address[1], flush=True)  # noqa: T201 - the starter waits for it
    server.serve_forever()


if __name__ == "__main__":
    main()
