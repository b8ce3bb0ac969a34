"""Finds out which search attributes a Temporal namespace lacks, also where the operator service is refused."""

import asyncio
from dataclasses import dataclass
from typing import Any

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.common import SearchAttributeIndexedValueType, SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

from perdure.contracts.temporal.search_attributes import SEARCH_ATTRIBUTES

REFUSED = (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED, RPCStatusCode.UNAUTHENTICATED)
"""How a server answers that lets no client use its operator service, such as Temporal Cloud."""

LITERALS = {
    SearchAttributeIndexedValueType.INT: "0",
    SearchAttributeIndexedValueType.BOOL: "true",
}
"""A value of each type, as a query writes it; other types take a text."""


@dataclass(frozen=True)
class Attributes:
    """The search attributes of a namespace, compared with those that runs show."""

    missing: tuple[str, ...] = ()
    """Those that are not registered."""
    wrong: tuple[str, ...] = ()
    """Those that are registered with another type; a type is only known where the operator service answers."""
    by_query: bool = False
    """Whether the operator service was refused, so that each attribute was tried in a query."""


async def compare_attributes(client: Client) -> Attributes:
    """Compare the namespace's search attributes with ours. Raises `RPCError` where no way of asking is open."""
    request = ListSearchAttributesRequest(namespace=client.namespace)
    try:
        listed = await client.operator_service.list_search_attributes(request)
    except RPCError as error:
        if error.status not in REFUSED:
            raise
        known = await asyncio.gather(*(_is_known(client, key) for key in SEARCH_ATTRIBUTES))
        missing = [key.name for key, there in zip(SEARCH_ATTRIBUTES, known, strict=True) if not there]
        return Attributes(missing=tuple(missing), by_query=True)
    types = {name: int(kind) for name, kind in listed.custom_attributes.items()}
    wanted = {key.name: int(key.indexed_value_type) for key in SEARCH_ATTRIBUTES}
    return Attributes(
        missing=tuple(name for name in wanted if name not in types),
        wrong=tuple(name for name, kind in wanted.items() if types.get(name, kind) != kind),
    )


async def attributes_notice(client: Client) -> str | None:
    """Return what an operator has to register, in a line; None where nothing is missing or it cannot be found out."""
    try:
        attributes = await compare_attributes(client)
    except RPCError:
        return None  # whoever needs them is told by the server
    if attributes.wrong:
        return (
            f"{', '.join(attributes.wrong)} have another type on the Temporal server: `perdure doctor` says what to do"
        )
    return how_to_register(client.namespace, attributes) if attributes.missing else None


def how_to_register(namespace: str, attributes: Attributes) -> str:
    """Return a line with the missing attributes and the command that registers them."""
    names = ", ".join(attributes.missing)
    if not attributes.by_query:
        return f"runs cannot start: the namespace {namespace!r} lacks {names}: run `python -m deploy.compose register`"
    return (
        f"runs cannot start: the namespace {namespace!r} lacks {names}, and its server refuses its operator service to "
        f"this client. On Temporal Cloud: `{tcld(namespace, attributes.missing)}`. Elsewhere, as an administrator: "
        f"`{temporal(namespace, attributes.missing)}`"
    )


def tcld(namespace: str, names: tuple[str, ...]) -> str:
    """Return the command that registers attributes on Temporal Cloud."""
    return f"tcld namespace search-attributes add --namespace {namespace}" + "".join(
        f' --search-attribute "{name}={type_of(name)}"' for name in names
    )


def temporal(namespace: str, names: tuple[str, ...]) -> str:
    """Return the command that registers attributes on a server of one's own."""
    return f"temporal operator search-attribute create --namespace {namespace}" + "".join(
        f" --name {name} --type {type_of(name)}" for name in names
    )


def type_of(name: str) -> str:
    """Return the type of one of our attributes, as the commands write it: `KeywordList`."""
    [key] = [key for key in SEARCH_ATTRIBUTES if key.name == name]
    value = IndexedValueType.Name(IndexedValueType.ValueType(int(key.indexed_value_type)))
    return "".join(word.capitalize() for word in value.removeprefix("INDEXED_VALUE_TYPE_").split("_"))


async def _is_known(client: Client, key: SearchAttributeKey[Any]) -> bool:
    """Return whether a query may name the attribute: the server refuses a query with an unknown one."""
    value = LITERALS.get(key.indexed_value_type, "'x'")
    try:
        await client.count_workflows(f"{key.name} = {value} AND WorkflowId = 'perdure-asks-for-attributes'")
    except RPCError as error:
        if error.status is RPCStatusCode.INVALID_ARGUMENT:
            return False
        raise
    return True
