"""An allowed host is reachable on the usual ports of the web, and on another port only where that is named."""

import pytest

from perdure.contracts.contract import BadInput
from perdure.contracts.tool_calls.tools import AllowedHosts
from tests.ports.web.test_public_web import at, to, web
from tests.support.servers.odd_server import OddServer
from tools.constraints import allowed_value
from tools.errors import NotAllowed


@pytest.mark.parametrize(
    ("host", "port", "allowed"),
    [
        ("docs.example.com", "", True),
        ("docs.example.com", ":80", True),
        ("docs.example.com", ":443", True),
        ("docs.example.com", ":22", False),
        ("docs.example.com", ":8080", False),
        ("docs.example.com", ":65535", False),
        ("other.example.com", ":8443", True),
        ("other.example.com", "", False),
        ("a.example.org", ":9000", True),
        ("a.example.org", ":9001", False),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_only_the_usual_ports_of_a_host_are_allowed_unless_one_is_named(
    scheme: str, host: str, port: str, allowed: object
) -> None:
    hosts = AllowedHosts(hosts=("docs.example.com", "other.example.com:8443", "*.example.org:9000"))
    url = f"{scheme}://{host}{port}/page"
    there = web(["127.0.0.1"])
    reason = "only public ones are ever used" if allowed else "its host is not allowed, or not at that port"
    with pytest.raises(NotAllowed, match=reason):
        await there.get(url, hosts)
    if allowed:
        assert allowed_value("url", hosts, AllowedHosts, url)
    else:
        with pytest.raises(BadInput, match=r"is not allowed: use docs\.example\.com"):
            allowed_value("url", hosts, AllowedHosts, url)


@pytest.mark.parametrize("status", [301, 302, 307])
async def test_a_redirect_to_another_port_of_an_allowed_host_is_not_followed(status: int) -> None:
    server = OddServer({"/": to("http://docs.example.com:22/", status)})
    with server, pytest.raises(NotAllowed, match="or not at that port"):
        await web().get(f"http://docs.example.com:{server.port}/", at(server))
