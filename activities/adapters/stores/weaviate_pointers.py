"""Reads and writes pointers: the live generation of a collection and the target of an alias, in their own class."""

import secrets
from dataclasses import dataclass
from typing import Any, Final

from weaviate.classes.config import Configure, ConsistencyLevel, DataType, Property
from weaviate.classes.data import DataObject

from activities.adapters.stores.weaviate_client import Client, Vanished
from activities.adapters.stores.weaviate_schema import Place, identity

POINTERS: Final = "PerdurePointers"
"""The class of the pointers."""


@dataclass(frozen=True)
class Live:
    """The live generation of a collection."""

    name: str
    """The collection's own name, also where the requested name is an alias."""
    place: Place
    before: Place | None
    """The previous generation, which stays for running searches."""
    revision: str
    """The revision, new after each change of the live generation; empty during a change."""


def pointer_schema() -> dict[str, Any]:
    """Return the schema of the class. Only `value` is needed; the other properties are for people who look at it."""
    return {
        "properties": [
            Property(name=name, data_type=DataType.TEXT, index_filterable=False, index_searchable=False)
            for name in ("kind", "tenant", "name", "value")
        ],
        "vector_config": Configure.Vectors.self_provided(vector_index_config=Configure.VectorIndex.flat()),
    }


async def find(client: Client, tenant: str, name: str) -> Live | None:
    """Return the live generation of a collection; for an alias, that of its target. None where there is none."""
    values = await _values(client, tenant, name)
    if (target := values.get("alias")) is not None:
        name, values = target, await _values(client, tenant, target)
    return _live(name, values)


async def find_itself(client: Client, tenant: str, name: str) -> Live | None:
    """Return the live generation of a collection, without following an alias; None where there is none."""
    return _live(name, await _values(client, tenant, name))


async def point(client: Client, tenant: str, name: str, place: Place, before: Place | None) -> None:
    """Make a place the live one, in one write: a reader sees the old place or the new one."""
    await _put(client, "live", tenant, name, f"{_encoded(place)} {_encoded(before)}".strip())


async def begin_change(client: Client, tenant: str, name: str) -> None:
    """Clear the revision: until the end of the change no reader caches the content of the live generation."""
    await _put(client, "revision", tenant, name, "")


async def end_change(client: Client, tenant: str, name: str) -> None:
    """Set a new revision: what readers cached before the change is out of date."""
    await _put(client, "revision", tenant, name, secrets.token_hex(8))


async def try_writing(client: Client) -> None:
    """Write an object that nobody reads. Raises the error that prevents the store from writing."""
    await _put(client, "probe", "-", "-", "")


async def point_alias(client: Client, tenant: str, alias: str, target: str | None) -> None:
    """Make a name an alias; None removes the alias."""
    if target is None:
        await client.collections.use(POINTERS).data.delete_by_id(identity("alias", tenant, alias))
    else:
        await _put(client, "alias", tenant, alias, target)


async def _values(client: Client, tenant: str, name: str) -> dict[str, str]:
    """Return the values that are stored under a name, by kind."""
    pointers = client.collections.use(POINTERS).with_consistency_level(ConsistencyLevel.QUORUM)
    ids = [identity(kind, tenant, name) for kind in ("alias", "live", "revision")]
    try:
        fetched = await pointers.query.fetch_objects_by_ids(ids)
    except Exception as error:
        if "could not find class" in str(error):
            return {}  # nothing was ever stored
        raise
    values: dict[str, str] = {}
    for pointer in fetched.objects:
        properties: dict[str, Any] = dict(pointer.properties)
        if (properties["tenant"], properties["name"]) != (tenant, name):
            raise Vanished(name)  # never return another tenant's pointer, whatever its id is
        values[properties["kind"]] = properties["value"]
    return values


async def _put(client: Client, kind: str, tenant: str, name: str, value: str) -> None:
    properties = {"kind": kind, "tenant": tenant, "name": name, "value": value}
    pointers = client.collections.use(POINTERS).with_consistency_level(ConsistencyLevel.QUORUM)
    result = await pointers.data.insert_many([DataObject(properties=properties, uuid=identity(kind, tenant, name))])
    for error in result.errors.values():
        raise RuntimeError(error.message)


def _live(name: str, values: dict[str, str]) -> Live | None:
    if "live" not in values:
        return None
    place, _, before = values["live"].partition(" ")
    return Live(name, _decoded(place), _decoded(before) if before else None, values.get("revision", "0"))


def _encoded(place: Place | None) -> str:
    return "" if place is None else f"{place.dimensions}/{place.collection}/{place.generation}"


def _decoded(text: str) -> Place:
    dimensions, collection, generation = text.split("/")
    return Place(int(dimensions), collection, generation)
