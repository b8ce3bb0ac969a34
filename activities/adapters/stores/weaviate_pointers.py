"""Which generation of a collection is live, and what a name is an alias of: small objects in a class of their own."""

import secrets
from dataclasses import dataclass
from typing import Any, Final

from weaviate.classes.config import Configure, ConsistencyLevel, DataType, Property
from weaviate.classes.data import DataObject

from activities.adapters.stores.weaviate_client import Client, Vanished
from activities.adapters.stores.weaviate_schema import Place, identity

POINTERS: Final = "PerdurePointers"
"""The class."""


@dataclass(frozen=True)
class Live:
    """A collection as its pointers show it."""

    name: str
    """The collection's own name, where the one that was asked for is an alias."""
    place: Place
    before: Place | None
    """The generation before, which stays for the searches that are in it."""
    revision: str
    """Changes with each change of the live generation; empty while one is being made."""


def pointer_schema() -> dict[str, Any]:
    """What the class is made of. What is kept is one text; the others are for people who look."""
    return {
        "properties": [
            Property(name=name, data_type=DataType.TEXT, index_filterable=False, index_searchable=False)
            for name in ("kind", "tenant", "name", "value")
        ],
        "vector_config": Configure.Vectors.self_provided(vector_index_config=Configure.VectorIndex.flat()),
    }


async def find(client: Client, tenant: str, name: str) -> Live | None:
    """The live generation of a collection or of the one that the name is an alias of; None where there is none."""
    values = await _values(client, tenant, name)
    if (target := values.get("alias")) is not None:
        name, values = target, await _values(client, tenant, target)
    return _live(name, values)


async def find_itself(client: Client, tenant: str, name: str) -> Live | None:
    """As `find`, without a look at aliases."""
    return _live(name, await _values(client, tenant, name))


async def point(client: Client, tenant: str, name: str, place: Place, before: Place | None) -> None:
    """Make a place the live one, in one write: a reader sees the old one or the new one."""
    await _put(client, "live", tenant, name, f"{_written(place)} {_written(before)}".strip())


async def begin_change(client: Client, tenant: str, name: str) -> None:
    """From here to the end of a change nobody remembers what the live generation holds."""
    await _put(client, "revision", tenant, name, "")


async def end_change(client: Client, tenant: str, name: str) -> None:
    """What was read before the change is no longer so."""
    await _put(client, "revision", tenant, name, secrets.token_hex(8))


async def try_writing(client: Client) -> None:
    """Write something that nobody reads: raises what keeps the store from taking anything."""
    await _put(client, "probe", "-", "-", "")


async def point_alias(client: Client, tenant: str, alias: str, target: str | None) -> None:
    """Make a name an alias; None ends it."""
    if target is None:
        await client.collections.use(POINTERS).data.delete_by_id(identity("alias", tenant, alias))
    else:
        await _put(client, "alias", tenant, alias, target)


async def _values(client: Client, tenant: str, name: str) -> dict[str, str]:
    """What is kept under the name, by kind."""
    pointers = client.collections.use(POINTERS).with_consistency_level(ConsistencyLevel.QUORUM)
    ids = [identity(kind, tenant, name) for kind in ("alias", "live", "revision")]
    try:
        found = await pointers.query.fetch_objects_by_ids(ids)
    except Exception as error:
        if "could not find class" in str(error):
            return {}  # nothing was ever stored
        raise
    kept: dict[str, str] = {}
    for one in found.objects:
        properties: dict[str, Any] = dict(one.properties)
        if (properties["tenant"], properties["name"]) != (tenant, name):
            raise Vanished(name)  # never another tenant's, whatever an id may say
        kept[properties["kind"]] = properties["value"]
    return kept


async def _put(client: Client, kind: str, tenant: str, name: str, value: str) -> None:
    properties = {"kind": kind, "tenant": tenant, "name": name, "value": value}
    pointers = client.collections.use(POINTERS).with_consistency_level(ConsistencyLevel.QUORUM)
    done = await pointers.data.insert_many([DataObject(properties=properties, uuid=identity(kind, tenant, name))])
    for error in done.errors.values():
        raise RuntimeError(error.message)


def _live(name: str, values: dict[str, str]) -> Live | None:
    if "live" not in values:
        return None
    place, _, before = values["live"].partition(" ")
    return Live(name, _read(place), _read(before) if before else None, values.get("revision", "0"))


def _written(place: Place | None) -> str:
    return "" if place is None else f"{place.dimensions}/{place.collection}/{place.generation}"


def _read(text: str) -> Place:
    dimensions, collection, generation = text.split("/")
    return Place(int(dimensions), collection, generation)
