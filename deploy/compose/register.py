"""Creates the namespace and the search attributes of runs on a Temporal server, or says who has to do it."""

import asyncio
from datetime import timedelta

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.adapters.temporal.search_attributes import (
    REFUSED,
    Attributes,
    compare_attributes,
    how_to_register,
)
from deploy.processes.errors import DeployError
from deploy.processes.temporal_config import temporal_config
from perdure.contracts.temporal.connecting import connect
from perdure.contracts.temporal.search_attributes import SEARCH_ATTRIBUTES

RETENTION = timedelta(days=7)
"""How long a closed run is kept, where this command creates the namespace."""

PATIENCE = 30
"""The seconds until every part of the server must know a new namespace."""


async def register(address: str | None = None) -> str:
    """Create the missing namespace and attributes; return a report. Running it again changes nothing.

    The server is the one that Temporal's own configuration names, or `address`. Raises `DeployError` where it does not
    answer, refuses, or has an attribute of the same name with another type.
    """
    config = temporal_config()
    if address is not None:
        config["target_host"] = address
    where = config.get("target_host")
    if where is None:
        raise DeployError("no Temporal server is named: set TEMPORAL_ADDRESS")
    namespace = config.get("namespace", "default")
    try:
        client = await connect(config)
        created = await _create_namespace(client, namespace)
        added = await _add_attributes(client, namespace)
    except ConnectionError as error:
        raise DeployError(str(error)) from None
    except RPCError as error:
        raise DeployError(f"the Temporal server at {where} refused: {error.message}") from None
    except TimeoutError:
        raise DeployError(
            f"{where}: the namespace {namespace!r} was not known after {PATIENCE} s: look at its log"
        ) from None
    how = "made" if created else "there already"
    return f"{where}: namespace {namespace!r} {how}; search attributes added: {', '.join(added) or 'none, all there'}"


async def _create_namespace(client: Client, name: str) -> bool:
    """Create the namespace; return False where it exists already."""
    request = RegisterNamespaceRequest(namespace=name)
    request.workflow_execution_retention_period.FromTimedelta(RETENTION)
    try:
        await client.workflow_service.register_namespace(request)
    except RPCError as error:
        if error.status is RPCStatusCode.ALREADY_EXISTS:
            return False
        if error.status not in REFUSED:
            raise
        # Such a server keeps namespaces to its own tools. It is enough that this one is there.
        await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=name))
        return False
    return True


async def _add_attributes(client: Client, namespace: str) -> list[str]:
    """Add the missing search attributes; return their names. Raises `DeployError` for one with another type."""
    wanted = {key.name: int(key.indexed_value_type) for key in SEARCH_ATTRIBUTES}
    attributes = await _without_operator_service(client, namespace)
    if attributes is not None:
        if attributes.missing:
            raise DeployError(how_to_register(namespace, attributes))
        return []
    async with asyncio.timeout(PATIENCE):
        existing = await _existing_attributes(client, namespace)
        while existing is None:
            await asyncio.sleep(0.5)
            existing = await _existing_attributes(client, namespace)
    for name, kind in wanted.items():
        if name in existing and existing[name] != kind:
            raise DeployError(
                f"the search attribute {name!r} is there with another type: remove it first "
                f"(`temporal operator search-attribute remove --name {name}`)"
            )
    missing = [name for name in wanted if name not in existing]
    if missing:
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(
                namespace=namespace,
                search_attributes={name: IndexedValueType.ValueType(wanted[name]) for name in missing},
            )
        )
    return missing


async def _without_operator_service(client: Client, namespace: str) -> Attributes | None:
    """Return which attributes are there, where the operator service is refused; None where it answers."""
    try:
        await client.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace=namespace))
    except RPCError as error:
        if error.status in REFUSED:
            return await compare_attributes(client)
    return None


async def _existing_attributes(client: Client, namespace: str) -> dict[str, int] | None:
    """Return the types of the namespace's search attributes; None while the server does not know the namespace yet."""
    try:
        listed = await client.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace=namespace))
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    return {name: int(kind) for name, kind in listed.custom_attributes.items()}
