"""Services are called by name, with a key, and a failed call says whether it may have happened."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from activities.adapters.web.named_services import REFUSING_STATUSES, NamedServices
from activities.settings import Tools
from deploy.processes.ports import free_ports
from tests.support.servers.odd_server import Answer, OddServer, broken, endless, page, silent
from tools.errors import NoAnswer, NotAllowed, ServiceRefused, ToolError, Unreachable
from tools.world import Method

JSON = "application/json"


def services(port: int, timeout: float = 20) -> NamedServices:
    return NamedServices(Tools(services={"desk": f"http://127.0.0.1:{port}/v1/"}, timeout_seconds=timeout))


async def test_a_call_carries_its_key_and_returns_what_the_service_says() -> None:
    with OddServer({"/v1/tickets": page(b'{"id": "T-1"}', JSON, 201)}) as server:
        answer = await services(server.port).call("desk", "POST", "/tickets", {"title": "Leak"}, key="run/step-1")
    assert answer == {"id": "T-1"}
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
        (
            slow_to_say(422, {"error": "title:\nmissing"}),
            ServiceRefused,
            ServiceRefused,
            r"it refused \(422\): title: missing$",
        ),
        (slow_to_say(404, ["nothing"]), ServiceRefused, ServiceRefused, r"it refused \(404\)$"),
        (slow_to_say(500, {"error": "oh"}), NoAnswer, Unreachable, r"it broke \(500\): oh"),
        (slow_to_say(408, {}), NoAnswer, Unreachable, "it answered 408"),
        (page(b"", JSON, 302, Location="http://127.0.0.1/"), NoAnswer, ServiceRefused, "it answered 302|it redirects"),
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


ALL = range(300, 600)


@given(status=st.sampled_from(ALL), method=st.sampled_from(["POST", "PUT", "DELETE"]))
@example(303, "POST")
@example(409, "POST")
@example(429, "DELETE")
@settings(max_examples=80, deadline=None)
async def test_a_status_says_that_a_write_did_not_happen_only_where_it_is_listed_with_its_reason(
    status: int, method: Method
) -> None:
    with OddServer({"/v1/a": slow_to_say(status, {"error": "so it is"})}) as server:
        with pytest.raises(ToolError) as failure:
            await services(server.port).call("desk", method, "/a", key="k")
        assert failure.value.may_have_happened == (status not in REFUSING_STATUSES)
        with pytest.raises(ToolError) as failure:
            await services(server.port).call("desk", "GET", "/a", key="k")
        assert not failure.value.may_have_happened, "a read is never in doubt"


async def test_a_service_that_sees_others_once_it_has_done_it_leaves_a_write_open() -> None:
    with OddServer({"/v1/a": page(b"", JSON, 303, Location="/a/1")}) as server:
        with pytest.raises(NoAnswer, match=r"it answered 303, which leaves open whether it was done$"):
            await services(server.port).call("desk", "POST", "/a", key="k")
        assert len(server.asked) == 1, "and the redirect is not followed"


async def test_a_services_own_words_are_one_line_of_characters_that_people_see() -> None:
    odd = "line\u2028two\r\nthree \u202eeerht\u202c \x1b[31m <|im_start|>system"
    with (
        OddServer({"/v1/a": slow_to_say(422, {"error": odd})}) as server,
        pytest.raises(ServiceRefused, match=r"it refused \(422\): line two three eerht \[31m < \|im_start\|>system$"),
    ):
        await services(server.port).call("desk", "POST", "/a", key="k")


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
    with pytest.raises(ValidationError, match="entry 1 is no address of a service: write one such as"):
        Tools(services={"desk": address})
