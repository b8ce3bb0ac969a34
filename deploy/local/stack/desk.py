"""The desk: a small real service that takes tickets and messages and counts the requests, for demos and tests.

`python -m deploy.local.stack.desk --port 9000` serves it on loopback; its first line is `ready PORT`. It stores
everything in one SQLite file, so that it can be killed at any moment. Every request carries an `Idempotency-Key`.

- `POST /tickets` with `{"title", "text"}` opens a ticket; a key that was used before returns the same ticket.
- `POST /messages` with `{"to", "text"}` sends one more message for every request, whatever its key: on purpose.
- `DELETE /messages?attempt=2` refuses later requests with the same key and attempt 2, a lower one or none. It returns
  the messages of that key so far: after it, no other message of these attempts can appear.
- `GET /tickets` and `GET /messages` return the number of requests with the key, and the tickets or messages of it.
- `GET /received` counts all requests, by kind and key; `GET /kept` lists all tickets and messages.
"""

import argparse
import json
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import httpx

from activities import settings as tree
from deploy.processes.errors import PortInUse
from deploy.processes.ports import HOST, require_free
from deploy.processes.process import Process

LARGEST = 64 * 1024
"""The largest request, in bytes."""

FIELDS = {"tickets": ("title", "text"), "messages": ("to", "text")}
"""The fields of each kind; every field is text and not empty."""

_TABLES = """
create table if not exists received (number integer primary key, kind text not null, key text not null);
create table if not exists kept (
    id integer primary key, kind text not null, key text not null, fields text not null
);
create table if not exists ended (
    kind text not null, key text not null, attempt integer not null, primary key (kind, key)
);
create index if not exists received_by_key on received (kind, key);
create index if not exists kept_by_key on kept (kind, key);
"""


class Mistake(Exception):
    """A mistake of the caller: the HTTP status, and one line about what is wrong."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Desk:
    """The desk's tickets, messages and counts, in a file."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file
        with closing(self._opened()) as database:
            database.execute("pragma journal_mode = wal")
            database.executescript(_TABLES)

    def take(self, kind: str, key: str, fields: Mapping[str, str], attempt: int = 0) -> tuple[int, dict[str, Any]]:
        """Count a request and store its ticket or message; return the HTTP status and the entry. Raises `Mistake`."""
        contents = json.dumps(fields, sort_keys=True)
        with closing(self._opened()) as database, database:
            database.execute("begin immediate")
            database.execute("insert into received (kind, key) values (?, ?)", (kind, key))
            ended = database.execute("select attempt from ended where kind = ? and key = ?", (kind, key)).fetchone()
            known = database.execute("select id, fields from kept where kind = ? and key = ?", (kind, key)).fetchone()
            if ended is not None and attempt <= ended[0]:
                same, number, status = True, 0, 410
            elif kind == "tickets" and known is not None:
                same = known[1] == contents
                number, status = int(known[0]), 200
            else:
                same, status = True, 201
                insert = "insert into kept (kind, key, fields) values (?, ?, ?)"
                number = int(database.execute(insert, (kind, key, contents)).lastrowid or 0)
        if not same:  # the request is counted although it is refused
            raise Mistake(409, "the key was used for another ticket: use a new one")
        if status == 410:  # noqa: PLR2004 - Gone
            raise Mistake(410, f"attempt {attempt} of this key was ended before it came: nothing was done")
        return status, _entry(kind, number, contents)

    def became(self, kind: str, key: str) -> dict[str, Any]:
        """Return the number of requests with a key, and the tickets or messages of it."""
        with closing(self._opened()) as database:
            [count] = database.execute(
                "select count(*) from received where kind = ? and key = ?", (kind, key)
            ).fetchone()
            rows = database.execute("select id, fields from kept where kind = ? and key = ? order by id", (kind, key))
            return {"received": int(count), kind: [_entry(kind, int(number), contents) for number, contents in rows]}

    def end(self, kind: str, key: str, attempt: int) -> dict[str, Any]:
        """Refuse this attempt and lower ones from now on; return its entries so far."""
        with closing(self._opened()) as database, database:
            database.execute("begin immediate")
            database.execute(
                "insert into ended (kind, key, attempt) values (?, ?, ?) "
                "on conflict (kind, key) do update set attempt = max(attempt, excluded.attempt)",
                (kind, key, attempt),
            )
        return self.became(kind, key)

    def received(self) -> dict[str, dict[str, int]]:
        """Return the number of requests of each key, by kind."""
        with closing(self._opened()) as database:
            counts: dict[str, dict[str, int]] = {kind: {} for kind in FIELDS}
            for kind, key, count in database.execute("select kind, key, count(*) from received group by kind, key"):
                counts[str(kind)][str(key)] = int(count)
            return counts

    def kept(self) -> dict[str, list[dict[str, Any]]]:
        """Return all tickets and messages with their keys, by kind, in order."""
        with closing(self._opened()) as database:
            entries: dict[str, list[dict[str, Any]]] = {kind: [] for kind in FIELDS}
            for number, kind, key, contents in database.execute("select id, kind, key, fields from kept order by id"):
                entries[str(kind)].append({"key": str(key), **_entry(str(kind), int(number), contents)})
            return entries

    def _opened(self) -> sqlite3.Connection:
        # One connection for each request, since each has its own thread. An answered request must survive a crash of
        # the machine, so every write is synced.
        database = sqlite3.connect(self._file, timeout=20, isolation_level=None)
        database.execute("pragma synchronous = full")
        return database


def _entry(kind: str, number: int, contents: str) -> dict[str, Any]:
    return {"id": f"{kind[0].upper()}-{number}", **json.loads(contents)}


class DeskServer(ThreadingHTTPServer):
    """The desk over HTTP, on loopback."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, file: Path, *, pause: float = 0) -> None:
        """Listen on the port. `pause` is the seconds between a POST's write and its answer: time to kill callers."""
        super().__init__((HOST, port), _Handler)
        self.desk = Desk(file)
        self.pause = pause

    @property
    def url(self) -> str:
        """The address, as the settings name it."""
        return f"http://{HOST}:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore the error: a caller may disconnect at any time."""

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.01,), name="desk", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    server: DeskServer  # pyright: ignore[reportIncompatibleVariableOverride] - the base names it more widely

    def do_GET(self) -> None:
        match self.path:
            case "/health":
                self._send(200, {"status": "ok"})
            case "/received":
                self._send(200, self.server.desk.received())
            case "/kept":
                self._send(200, self.server.desk.kept())
            case _:
                self._answer(lambda kind, key: (200, self.server.desk.became(kind, key)))

    def do_POST(self) -> None:
        def take(kind: str, key: str) -> tuple[int, dict[str, Any]]:
            answer = self.server.desk.take(kind, key, self._fields(kind), self._attempt())
            time.sleep(self.server.pause)
            return answer

        self._answer(take)

    def do_DELETE(self) -> None:
        self._answer(lambda kind, key: (200, self.server.desk.end(kind, key, self._attempt())))

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: `GET /received` shows all requests."""

    def _answer(self, do: Callable[[str, str], tuple[int, dict[str, Any]]]) -> None:
        try:
            self._send(*do(self._kind(), self._key()))
        except Mistake as mistake:
            self.close_connection = True  # its body may not have been read
            self._send(mistake.status, {"error": str(mistake)})

    def _kind(self) -> str:
        kind = self.path.partition("?")[0].removeprefix("/")
        if kind not in FIELDS:
            raise Mistake(404, f"there is no {self.path[:60]!r}: use /tickets or /messages")
        return kind

    def _attempt(self) -> int:
        query = self.path.partition("?")[2]
        number = query.removeprefix("attempt=")
        if query and not (query.startswith("attempt=") and number.isdecimal() and len(number) < 10):  # noqa: PLR2004
            raise Mistake(400, f"{query[:60]!r} is not understood: write ?attempt=1")
        return int(number or 0)

    def _key(self) -> str:
        key = self.headers["Idempotency-Key"]
        if not key:
            raise Mistake(400, "the header Idempotency-Key is missing: send a key that names this very request")
        return key

    def _fields(self, kind: str) -> dict[str, str]:
        length = self.headers["Content-Length"] or ""
        if not length.isdecimal() or int(length) > LARGEST:
            raise Mistake(413, f"send a body of at most {LARGEST:,} bytes, and say how long it is")
        try:
            body: Any = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            raise Mistake(400, "the body is not JSON: send an object") from None
        wanted = FIELDS[kind]
        if not isinstance(body, dict) or set(body) != set(wanted):  # pyright: ignore[reportUnknownArgumentType] - JSON
            raise Mistake(422, f"send an object with {' and '.join(wanted)}")
        wrong = [name for name in wanted if not isinstance(body[name], str) or not body[name].strip()]
        if wrong:
            raise Mistake(422, f"{wrong[0]}: write some text")
        return {name: str(body[name]) for name in wanted}  # pyright: ignore[reportUnknownArgumentType] - JSON

    def _send(self, status: int, body: Mapping[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)


def part(port: int, file: Path, log: Path, *, pause: float = 0) -> Process:
    """Return the desk as a process of the stack, or of a test."""

    def ready() -> bool:
        try:
            return httpx.get(f"http://{HOST}:{port}/health", timeout=2, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    command = [sys.executable, "-m", "deploy.local.stack.desk", "--port", str(port), "--file", str(file)]
    return Process("the desk", [*command, "--pause", str(pause)], log=log, ready=ready, environment={})


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.local.stack.desk", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--file", type=Path, help="where it keeps everything (default: desk.db in the state folder)")
    parser.add_argument("--pause", type=float, default=0, help="seconds between what a POST does and its answer")
    options = parser.parse_args()
    try:
        require_free(options.port, "--port")
    except PortInUse as error:
        sys.exit(f"perdure: {error}")
    server = DeskServer(options.port, options.file or tree.load().paths.state / "desk.db", pause=options.pause)
    print("ready", server.server_address[1], flush=True)
    with suppress(KeyboardInterrupt):
        server.serve_forever()


if __name__ == "__main__":
    main()
