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
def running_desk(tmp_path: Path) -> Iterator[DeskServer]:
    with DeskServer(0, tmp_path / "desk.db") as server:
        yield server


def request(url: str, method: str, path: str, key: str | None = "k", body: Any = None) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    return httpx.request(method, url + path, content=content, headers=headers, trust_env=False, timeout=30)


def test_a_ticket_is_opened_once_for_a_key_and_every_request_is_counted(running_desk: DeskServer) -> None:
    first = request(running_desk.url, "POST", "/tickets", body=TICKET)
    second = request(running_desk.url, "POST", "/tickets", body=TICKET)
    other_key = request(running_desk.url, "POST", "/tickets", "k2", TICKET)
    assert [answer.status_code for answer in (first, second, other_key)] == [201, 200, 201]
    assert first.json() == second.json() == {"id": "T-1", **TICKET}
    assert other_key.json()["id"] == "T-2"
    assert request(running_desk.url, "GET", "/tickets").json() == {"received": 2, "tickets": [{"id": "T-1", **TICKET}]}
    assert request(running_desk.url, "GET", "/received", None).json() == {"tickets": {"k": 2, "k2": 1}, "messages": {}}


def test_all_that_was_kept_is_listed_with_its_key(running_desk: DeskServer) -> None:
    for _ in range(2):
        request(running_desk.url, "POST", "/tickets", body=TICKET)
        request(running_desk.url, "POST", "/messages", body=MESSAGE)
    stored = request(running_desk.url, "GET", "/kept", None).json()
    assert stored["tickets"] == [{"key": "k", "id": "T-1", **TICKET}]
    assert [(message["key"], message["id"], message["to"]) for message in stored["messages"]] == [
        ("k", "M-2", "ann"),
        ("k", "M-3", "ann"),
    ]


def test_a_message_is_sent_each_time(running_desk: DeskServer) -> None:
    ids = [request(running_desk.url, "POST", "/messages", body=MESSAGE).json()["id"] for _ in range(2)]
    assert ids == ["M-1", "M-2"]
    state = request(running_desk.url, "GET", "/messages").json()
    assert state == {"received": 2, "messages": [{"id": number, **MESSAGE} for number in ids]}
    assert request(running_desk.url, "GET", "/messages", "unknown").json() == {"received": 0, "messages": []}


def test_an_attempt_that_was_ended_is_refused_for_ever_and_a_later_one_is_not(running_desk: DeskServer) -> None:
    message = request(running_desk.url, "POST", "/messages?attempt=1", body=MESSAGE).json()
    closing = request(running_desk.url, "DELETE", "/messages?attempt=2").json()
    assert closing == {"received": 1, "messages": [message]}
    request(running_desk.url, "DELETE", "/messages?attempt=1")
    for query in ("", "?attempt=0", "?attempt=1", "?attempt=2"):
        refusal = request(running_desk.url, "POST", f"/messages{query}", body=MESSAGE)
        assert (refusal.status_code, "nothing was done" in refusal.json()["error"]) == (410, True), query
    assert len(request(running_desk.url, "GET", "/messages").json()["messages"]) == 1
    assert request(running_desk.url, "POST", "/messages?attempt=3", body=MESSAGE).status_code == 201
    assert request(running_desk.url, "POST", "/messages?attempt=1", "another", MESSAGE).status_code == 201


def test_a_write_that_was_reported_absent_stays_absent_while_requests_come_in(running_desk: DeskServer) -> None:
    for number in range(12):
        key = f"k-{number}"
        sending = threading.Thread(target=request, args=(running_desk.url, "POST", "/messages?attempt=1", key, MESSAGE))
        sending.start()
        messages = request(running_desk.url, "DELETE", "/messages?attempt=1", key).json()["messages"]
        sending.join()
        assert request(running_desk.url, "GET", "/messages", key).json()["messages"] == messages


def test_a_key_that_was_used_for_another_ticket_is_refused_and_counted(running_desk: DeskServer) -> None:
    request(running_desk.url, "POST", "/tickets", body=TICKET)
    refusal = request(running_desk.url, "POST", "/tickets", body=TICKET | {"title": "Another"})
    assert (refusal.status_code, "used for another ticket" in refusal.json()["error"]) == (409, True)
    assert request(running_desk.url, "GET", "/tickets").json()["received"] == 2


def test_at_the_same_time_a_key_still_opens_one_ticket(running_desk: DeskServer) -> None:
    threads = [
        threading.Thread(target=request, args=(running_desk.url, "POST", "/tickets", "k", TICKET)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    state = request(running_desk.url, "GET", "/tickets").json()
    assert (state["received"], len(state["tickets"])) == (8, 1)


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
    running_desk: DeskServer, path: str, key: str | None, body: Any, refusal: tuple[int, str]
) -> None:
    status, reason = refusal
    response = request(running_desk.url, "POST", path, key, body)
    assert (response.status_code, reason in response.json()["error"]) == (status, True)
    assert request(running_desk.url, "GET", "/received", None).json() == {"tickets": {}, "messages": {}}


def test_a_port_that_is_taken_is_named_with_its_holder(running_desk: DeskServer) -> None:
    command = [sys.executable, "-m", "deploy.local.stack.desk", "--port", str(running_desk.server_address[1])]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert process.returncode == 1
    assert "is in use by" in process.stderr
    assert "set --port to a free port" in process.stderr


def test_a_desk_that_was_killed_between_act_and_answer_knows_what_it_did(tmp_path: Path) -> None:
    [port] = free_ports(1)
    pids: list[int] = []
    slow = desk.part(port, tmp_path / "desk.db", tmp_path / "desk.log", pause=600)
    slow.begin(pids.append)
    url = f"http://127.0.0.1:{port}"
    broke: list[Exception] = []

    def send() -> None:
        try:
            request(url, "POST", "/messages", body=MESSAGE)
        except httpx.HTTPError as error:
            broke.append(error)

    sending = threading.Thread(target=send)
    sending.start()
    try:
        while request(url, "GET", "/messages").json()["received"] == 0:
            pass
        os.kill(pids[0], signal.SIGKILL)
        sending.join()
    finally:
        slow.end()
    assert len(broke) == 1
    restarted = desk.part(port, tmp_path / "desk.db", tmp_path / "desk.log")
    restarted.begin(pids.append)
    try:
        assert request(url, "GET", "/messages").json() == {"received": 1, "messages": [{"id": "M-1", **MESSAGE}]}
        assert request(url, "POST", "/messages", body=MESSAGE).json()["id"] == "M-2"
    finally:
        restarted.end()
