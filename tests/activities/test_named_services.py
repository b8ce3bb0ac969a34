"""Services are called by name, with a key, and a call that failed says whether it may have happened."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from activities.adapters.named_services import NamedServices
from activities.settings import Tools
from deploy.local.ports import free_ports
from tests.support.odd_server import Answer, OddServer, broken, endless, page, silent
from tools.errors import NoAnswer, NotAllowed, Refused, ToolError, Unreachable
from tools.world import Method

JSON = "application/json"


def services(port: int, timeout: float = 20) -> NamedServices:
    return NamedServices(Tools(services={"desk": f"http://127.0.0.1:{port}/v1/"}, timeout_seconds=timeout))


async def test_a_call_carries_its_key_and_returns_what_the_service_says() -> None:
    with OddServer({"/v1/tickets": page(b'{"id": "T-1"}', JSON, 201)}) as server:
        said = await services(server.port).call("desk", "POST", "/tickets", {"title": "Leak"}, key="run/step-1")
    assert said == {"id": "T-1"}
    assert server.headers[0]["Idempotency-Key"] == "run/step-1"
    assert server.headers[0]["Content-Type"] == JSON


@pytest.mark.parametrize(
    ("service", "path", "key", "reason"),
    [
        ("mail", "/a", "k", r"there is no service 'mail' \(known: desk\): name it in PERDURE_TOOLS__SERVICES"),
        ("desk", "//evil.net/a", "k", "no plain path"),
        ("desk", "@evil.net/a", "k", "no plain path"),
        ("desk", "/a/../../b", "k", "no plain path"),
        ("desk", "/a?b=c\r\nX: y", "k", "no plain path"),
        ("desk", "/a", "", "needs a key"),
        ("desk", "/a", "k\r\nX: y", "needs a key"),
    ],
)
async def test_what_is_no_plain_call_is_refused_before_anything_is_sent(
    service: str, path: str, key: str, reason: str
) -> None:
    with OddServer({}) as server, pytest.raises(NotAllowed, match=reason) as refusal:
        await services(server.port).call(service, "POST", path, {}, key=key)
    assert server.asked == []
    assert not refusal.value.may_have_happened


def slow_to_say(status: int, error: Any) -> Answer:
    return page(json.dumps(error).encode(), JSON, status)


@pytest.mark.parametrize(
    ("answer", "writing", "reading", "reason"),
    [
        (slow_to_say(422, {"error": "title:\nmissing"}), Refused, Refused, r"it refused \(422\): title: missing$"),
        (slow_to_say(404, ["nothing"]), Refused, Refused, r"it refused \(404\)$"),
        (slow_to_say(500, {"error": "oh"}), NoAnswer, Unreachable, r"it broke \(500\): oh"),
        (slow_to_say(408, {}), NoAnswer, Unreachable, r"it broke \(408\)"),
        (page(b"", JSON, 302, Location="http://127.0.0.1/"), Refused, Refused, "it redirects, which is not followed"),
        (page(b"<html>", "text/html"), NoAnswer, Unreachable, "what is no JSON"),
        (endless(), NoAnswer, Unreachable, "more than 1,048,576 bytes"),
        (broken(), NoAnswer, Unreachable, "broke before it answered"),
        (silent(), NoAnswer, Unreachable, r"did not answer within 0\.5 s"),
    ],
)
async def test_a_call_that_failed_says_whether_it_may_have_happened(
    answer: Answer, writing: type[ToolError], reading: type[ToolError], reason: str
) -> None:
    with OddServer({"/v1/a": answer}) as server:
        calls = services(server.port, timeout=0.5)
        expected: list[tuple[Method, type[ToolError]]] = [("POST", writing), ("GET", reading)]
        for method, error in expected:
            with pytest.raises(error, match=reason) as refusal:
                await calls.call("desk", method, "/a", key="k")
            assert type(refusal.value) is error
            assert "\n" not in str(refusal.value)


async def test_where_nothing_answers_nothing_happened() -> None:
    [port] = free_ports(1)
    with pytest.raises(Unreachable, match="nothing answers there, so nothing happened"):
        await services(port).call("desk", "POST", "/a", {}, key="k")


async def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ann password secret\n")
    with OddServer({"/v1/a": page(b"{}", JSON)}) as server:
        assert await services(server.port).call("desk", "GET", "/a", key="k") == {}
    assert "Authorization" not in server.headers[0]


@pytest.mark.parametrize("address", ["127.0.0.1:9000", "ftp://desk", "http://ann:secret@desk", "http://desk/?a=b", ""])
def test_a_service_needs_a_plain_address(address: str) -> None:
    with pytest.raises(ValidationError, match="the service 'desk' needs an address such as"):
        Tools(services={"desk": address})
