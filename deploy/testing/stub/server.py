"""What every stub of a model server is made of: real HTTP on loopback, replies that stream, callers that go away."""

import json
import select
import socket
import threading
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from deploy.processes.ports import HOST
from deploy.testing.stub.replies import Json

__all__ = ["Gone", "StubServer", "StubSpeech"]


class Gone(Exception):
    """The caller went away."""


class StubServer(ThreadingHTTPServer):
    """Serves on loopback, a thread for each connection; as a context manager, in a thread of this process."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        """Port 0 is any that is free."""
        super().__init__((HOST, port), handler)

    @property
    def url(self) -> str:
        """The endpoint, as a catalogue names it."""
        return f"http://{HOST}:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a caller may go away."""

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, name="stub-model", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class StubSpeech(BaseHTTPRequestHandler):
    """What one connection can be told."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: tests read what they assert on."""

    def body(self) -> Any:
        """What was sent. Raises `ValueError` where it is no JSON."""
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def stream(self, events: Iterable[Json | bytes], *, gap: float = 0, ends: bool = True, done: bool = False) -> None:
        """Send events as they come, so many seconds apart; without `ends` the reply stays open."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in events:
            self.wait(gap)
            self._chunk(b"data: " + (event if isinstance(event, bytes) else json.dumps(event).encode()) + b"\n\n")
        if done:
            self._chunk(b"data: [DONE]\n\n")
        if ends:
            self.wfile.write(b"0\r\n\r\n")

    def wait(self, seconds: float | None) -> None:
        """Wait, for ever where None. Raises `Gone` at once when the caller goes away."""
        readable, _, _ = select.select([self.connection], [], [], seconds)
        if readable and not self.connection.recv(1, socket.MSG_PEEK):
            raise Gone

    def plain(self, data: bytes, kind: str, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """Send these bytes, and say what they are."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def send(self, status: int, body: Json, headers: dict[str, str] | None = None) -> None:
        """Send JSON."""
        self.plain(json.dumps(body).encode(), "application/json", status, headers)

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()
