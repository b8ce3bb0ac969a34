"""The desk counts everything, opens one ticket for a key, sends a message each time, and forgets nothing."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from activities.settings import ROOT
from deploy.local.stack import desk
from deploy.local.stack.desk import LARGEST, DeskServer
from deploy.processes.ports import free_ports

TICKET = {"title": "Leak", "text": "The roof of the boat house leaks."}
MESSAGE = {"to": "ann", "text": "The boat house is wet."}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[DeskServer]:
    with DeskServer(0, tmp_path / "desk.db") as server:
        yield server


def asked(url: str, method: str, path: str, key: str | None = "k", body: Any = None) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    return httpx.request(method, url + path, content=content, headers=headers, trust_env=False, timeout=30)


def test_a_ticket_is_opened_once_for_a_key_and_every_request_is_counted(served: DeskServer) -> None:
    first = asked(served.url, "POST", "/tickets", body=TICKET)
    again = asked(served.url, "POST", "/tickets", body=TICKET)
    other = asked(served.url, "POST", "/tickets", "k2", TICKET)
    assert [answer.status_code for answer in (first, again, other)] == [201, 200, 201]
    assert first.json() == again.json() == {"id": "T-1", **TICKET}
    assert other.json()["id"] == "T-2"
    assert asked(served.url, "GET", "/tickets").json() == {"received": 2, "tickets": [{"id": "T-1", **TICKET}]}
    assert asked(served.url, "GET", "/received", None).json() == {"tickets": {"k": 2, "k2": 1}, "messages": {}}


def test_all_that_was_kept_is_listed_with_its_key(served: DeskServer) -> None:
    for _ in range(2):
        asked(served.url, "POST", "/tickets", body=TICKET)
        asked(served.url, "POST", "/messages", body=MESSAGE)
    kept = asked(served.url, "GET", "/kept", None).json()
    assert kept["tickets"] == [{"key": "k", "id": "T-1", **TICKET}]
    assert [(one["key"], one["id"], one["to"]) for one in kept["messages"]] == [
        ("k", "M-2", "ann"),
        ("k", "M-3", "ann"),
    ]


def test_a_message_is_sent_each_time(served: DeskServer) -> None:
    ids = [asked(served.url, "POST", "/messages", body=MESSAGE).json()["id"] for _ in range(2)]
    assert ids == ["M-1", "M-2"]
    became = asked(served.url, "GET", "/messages").json()
    assert became == {"received": 2, "messages": [{"id": number, **MESSAGE} for number in ids]}
    assert asked(served.url, "GET", "/messages", "unknown").json() == {"received": 0, "messages": []}


def test_what_was_ended_is_refused_for_ever_and_what_comes_after_it_is_not(served: DeskServer) -> None:
    sent = asked(served.url, "POST", "/messages?attempt=1", body=MESSAGE).json()
    ended = asked(served.url, "DELETE", "/messages?attempt=2").json()
    assert ended == {"received": 1, "messages": [sent]}
    asked(served.url, "DELETE", "/messages?attempt=1")
    for late in ("", "?attempt=0", "?attempt=1", "?attempt=2"):
        refused = asked(served.url, "POST", f"/messages{late}", body=MESSAGE)
        assert (refused.status_code, "nothing was done" in refused.json()["error"]) == (410, True), late
    assert len(asked(served.url, "GET", "/messages").json()["messages"]) == 1
    assert asked(served.url, "POST", "/messages?attempt=3", body=MESSAGE).status_code == 201
    assert asked(served.url, "POST", "/messages?attempt=1", "another", MESSAGE).status_code == 201


def test_while_requests_come_in_what_is_said_not_to_be_there_never_will_be(served: DeskServer) -> None:
    for number in range(12):
        key = f"k-{number}"
        sending = threading.Thread(target=asked, args=(served.url, "POST", "/messages?attempt=1", key, MESSAGE))
        sending.start()
        ended = asked(served.url, "DELETE", "/messages?attempt=1", key).json()["messages"]
        sending.join()
        assert asked(served.url, "GET", "/messages", key).json()["messages"] == ended


def test_a_key_that_was_used_for_another_ticket_is_refused_and_counted(served: DeskServer) -> None:
    asked(served.url, "POST", "/tickets", body=TICKET)
    refused = asked(served.url, "POST", "/tickets", body=TICKET | {"title": "Another"})
    assert (refused.status_code, "used for another ticket" in refused.json()["error"]) == (409, True)
    assert asked(served.url, "GET", "/tickets").json()["received"] == 2


def test_at_the_same_time_a_key_still_opens_one_ticket(served: DeskServer) -> None:
    threads = [threading.Thread(target=asked, args=(served.url, "POST", "/tickets", "k", TICKET)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    became = asked(served.url, "GET", "/tickets").json()
    assert (became["received"], len(became["tickets"])) == (8, 1)


@pytest.mark.parametrize(
    ("path", "key", "body", "refusal"),
    [
        ("/tickets", None, TICKET, (400, "Idempotency-Key is missing")),
        ("/messages?attempt=x", "k", MESSAGE, (400, "write ?attempt=1")),
        ("/orders", "k", TICKET, (404, "use /tickets or /messages")),
        ("/tickets", "k", b"no JSON", (400, "not JSON")),
        ("/tickets", "k", b"[" * 50_000, (400, "not JSON")),
        ("/tickets", "k", ["a"], (422, "an object with title and text")),
        ("/tickets", "k", {"title": "Leak"}, (422, "an object with title and text")),
        ("/tickets", "k", TICKET | {"title": " "}, (422, "title: write some text")),
        ("/messages", "k", MESSAGE | {"to": 7}, (422, "to: write some text")),
        ("/messages", "k", b"x" * (LARGEST + 1), (413, "at most 65,536 bytes")),
    ],
)
def test_what_cannot_be_taken_is_refused_in_one_line_and_changes_nothing(
    served: DeskServer, path: str, key: str | None, body: Any, refusal: tuple[int, str]
) -> None:
    status, reason = refusal
    refused = asked(served.url, "POST", path, key, body)
    assert (refused.status_code, reason in refused.json()["error"]) == (status, True)
    assert asked(served.url, "GET", "/received", None).json() == {"tickets": {}, "messages": {}}


def test_a_port_that_is_taken_is_named_with_its_holder(served: DeskServer) -> None:
    command = [sys.executable, "-m", "deploy.local.stack.desk", "--port", str(served.server_address[1])]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "is in use by" in ended.stderr
    assert "set --port to a free port" in ended.stderr


def test_a_desk_that_was_killed_between_act_and_answer_knows_what_it_did(tmp_path: Path) -> None:
    [port] = free_ports(1)
    pids: list[int] = []
    slow = desk.part(port, tmp_path / "desk.db", tmp_path / "desk.log", pause=600)
    slow.begin(pids.append)
    url = f"http://127.0.0.1:{port}"
    broke: list[Exception] = []

    def send() -> None:
        try:
            asked(url, "POST", "/messages", body=MESSAGE)
        except httpx.HTTPError as error:
            broke.append(error)

    sending = threading.Thread(target=send)
    sending.start()
    try:
        while asked(url, "GET", "/messages").json()["received"] == 0:
            pass
        os.kill(pids[0], signal.SIGKILL)
        sending.join()
    finally:
        slow.end()
    assert len(broke) == 1
    restarted = desk.part(port, tmp_path / "desk.db", tmp_path / "desk.log")
    restarted.begin(pids.append)
    try:
        assert asked(url, "GET", "/messages").json() == {"received": 1, "messages": [{"id": "M-1", **MESSAGE}]}
        assert asked(url, "POST", "/messages", body=MESSAGE).json()["id"] == "M-2"
    finally:
        restarted.end()
