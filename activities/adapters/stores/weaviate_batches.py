"""Stores objects in Weaviate in batches, and tries again only those that failed."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from weaviate.classes.data import DataObject
from weaviate.exceptions import WeaviateInsertManyAllFailedError

from activities.adapters.stores.weaviate_client import Client, Vanished, WeaviateServer
from activities.adapters.stores.weaviate_schema import Place
from activities.ports import StorageFailed, StorageFull, StorageReadOnly, WrongDimension

BATCH: Final = 500
"""Objects in one request."""
ATTEMPTS: Final = 4
"""How often an object is sent at most."""
PAUSE: Final = 0.1
"""Seconds before the second attempt, twice as many before each later one."""

_HOPELESS: Final = (Vanished, StorageReadOnly, StorageFull, WrongDimension)


async def insert(server: WeaviateServer, what: str, place: Place, objects: Sequence[DataObject[Any, None]]) -> None:
    """Store them all. Raises the port's errors, which say how many could not be stored and why, and `Vanished`."""
    for start in range(0, len(objects), BATCH):
        waiting = list(objects[start : start + BATCH])
        stored = start
        for attempt in range(1, ATTEMPTS + 1):
            failed = await server.ask(what, lambda client, sent=waiting: _send(client, place, sent))
            stored += len(waiting) - len(failed)
            if not failed:
                break
            reasons = [server.explained(what, said.lower(), _kind(said)) for said in failed.values()]
            hopeless = next((reason for reason in reasons if isinstance(reason, _HOPELESS)), None)
            if hopeless is not None:
                raise hopeless
            if attempt == ATTEMPTS:
                said = ", ".join(f"{count} x {kind}" for kind, count in Counter(map(_kind, failed.values())).items())
                raise StorageFailed(
                    f"{what}: {len(failed)} of {len(objects)} chunks were not stored in {ATTEMPTS} attempts ({said}), "
                    f"{stored} were; see the log of {server.name}, and do it again"
                )
            waiting = [waiting[number] for number in sorted(failed)]
            await asyncio.sleep(PAUSE * 2 ** (attempt - 1))


async def _send(client: Client, place: Place, objects: Sequence[DataObject[Any, None]]) -> Mapping[int, str]:
    """Send them once; returns what the server said of each that it did not store, by its place."""
    tenant = client.collections.use(place.home).with_tenant(place.generation)
    try:
        done = await tenant.data.insert_many(objects)
    except WeaviateInsertManyAllFailedError as error:
        return dict.fromkeys(range(len(objects)), str(error))
    return {number: error.message for number, error in done.errors.items()}


def _kind(said: str) -> str:
    """What a reason is about, in a word of ours: the server's own sentence may hold texts and paths."""
    for word in ("timeout", "deadline", "memory", "vector", "shutdown", "consistency"):
        if word in said.lower():
            return word
    return "unknown"
