"""The base of every stub of a model server: real HTTP on loopback, streamed replies, callers that disconnect."""

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
    """The caller disconnected."""


class StubServer(ThreadingHTTPServer):
    """A server on loopback with a thread for each connection. As a context manager it serves in a thread."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        """Listen on the port; 0 picks a free one."""
        super().__init__((HOST, port), handler)

    @property
    def url(self) -> str:
        """The endpoint, as a catalogue names it."""
        return f"http://{HOST}:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore the error: a caller may disconnect at any time."""

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, name="stub-model", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class StubSpeech(BaseHTTPRequestHandler):
    """The handler of one connection, with the ways to answer it."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: tests read the bill instead."""

    def body(self) -> Any:
        """Return the JSON body of the request. Raises `ValueError` where it is not JSON."""
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def stream(self, events: Iterable[Json | bytes], *, gap: float = 0, ends: bool = True, done: bool = False) -> None:
        """Send events one by one, `gap` seconds apart; without `ends` the reply stays open."""
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

    def cut_anywhere(self, pieces: Iterable[bytes], kind: str) -> None:
        """Send a body of a media type in exactly these pieces."""
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in pieces:
            self._chunk(piece)
        self.wfile.write(b"0\r\n\r\n")

    def wait(self, seconds: float | None) -> None:
        """Wait; None waits for ever. Raises `Gone` at once when the caller disconnects."""
        readable, _, _ = select.select([self.connection], [], [], seconds)
        if readable and not self.connection.recv(1, socket.MSG_PEEK):
            raise Gone

    def plain(self, data: bytes, kind: str, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """Send bytes with their media type."""
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
