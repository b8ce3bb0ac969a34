"""Joins public pages and the services in the settings to the network access of tools."""

from collections.abc import Mapping

from pydantic import JsonValue

from activities.adapters.web.named_services import NamedServices
from activities.adapters.web.public_web import PublicWeb
from perdure.contracts.tool_calls.tools import AllowedHosts
from tools.world import Method, Page


class ToolHttp:
    """A `tools.world.Http` over public pages and named services."""

    def __init__(self, web: PublicWeb, services: NamedServices, tenant: str = "") -> None:
        """`tenant`: whose pages these are; one page of a tenant is read at a time."""
        self._web = web
        self._services = services
        self._tenant = tenant

    async def get(self, url: str, hosts: AllowedHosts) -> Page:
        return await self._web.get(url, hosts, tenant=self._tenant)

    async def call(
        self, service: str, method: Method, path: str, body: Mapping[str, JsonValue] | None = None, *, key: str
    ) -> JsonValue:
        return await self._services.call(service, method, path, body, key=key)
