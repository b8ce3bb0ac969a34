"""A server for tests with odd answers: real HTTP or HTTPS, on loopback."""

import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Answer = Callable[["OddHandler"], None]


class OddServer(ThreadingHTTPServer):
    """A server that answers each path by a function of the test, and records its requests."""

    daemon_threads = True

    def __init__(self, answers: dict[str, Answer], tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), OddHandler)
        self.answers = answers
        self.asked: list[tuple[str, str]] = []
        """The `Host` and the path of each request."""
        self.headers: list[dict[str, str]] = []
        self.gone = threading.Event()
        """Set when a client disconnects before its answer is complete."""
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)

    @property
    def port(self) -> int:
        """The port on which it listens."""
        return int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore errors: a client may disconnect."""

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.01,), name="odd-server", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class OddHandler(BaseHTTPRequestHandler):
    """The handler of one request."""

    protocol_version = "HTTP/1.1"
    server: OddServer  # pyright: ignore[reportIncompatibleVariableOverride] - the base names it more widely

    def do_GET(self) -> None:
        self.server.asked.append((self.headers["Host"], self.path))
        self.server.headers.append(dict(self.headers))
        self.close_connection = True
        length = int(self.headers["Content-Length"] or 0)
        self.rfile.read(length)
        try:
            self.server.answers[self.path.split("?")[0]](self)
        except OSError:
            self.server.gone.set()

    def do_POST(self) -> None:
        self.do_GET()

    def do_PUT(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        """Write no log: tests read what they assert on."""


def page(body: bytes, kind: str = "text/html; charset=utf-8", status: int = 200, **headers: str) -> Answer:
    """Answer with a body of a type."""

    def answer(handler: OddHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def endless(kind: str = "text/plain") -> Answer:
    """Answer without an end, as fast as the client reads."""

    def answer(handler: OddHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", kind)
        handler.end_headers()
        while True:
            handler.wfile.write(b"and on and on and on and on and on and on\n" * 100)

    return answer


def silent(after: bytes = b"") -> Answer:
    """Answer with the beginning of a page, and then nothing until the client disconnects."""

    def answer(handler: OddHandler) -> None:
        if after:
            handler.send_response(200)
            handler.send_header("Content-Type", "text/plain")
            handler.send_header("Content-Length", "1000")
            handler.end_headers()
            handler.wfile.write(after)
        handler.connection.recv(1)
        handler.server.gone.set()

    return answer


def broken() -> Answer:
    """Close the connection in the middle of a page."""

    def answer(handler: OddHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/plain")
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"half")

    return answer
