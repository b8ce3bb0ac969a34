"""Stores objects in Weaviate in batches, and retries only the objects that failed."""

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
"""The number of objects in one request."""
ATTEMPTS: Final = 4
"""The largest number of attempts for an object."""
PAUSE: Final = 0.1
"""The pause before the second attempt, in seconds; it doubles before each later one."""

_PERMANENT: Final = (Vanished, StorageReadOnly, StorageFull, WrongDimension)


async def insert(server: WeaviateServer, what: str, place: Place, objects: Sequence[DataObject[Any, None]]) -> None:
    """Store all objects. Raises `Vanished`, and the port's errors, which say how many were not stored and why."""
    for start in range(0, len(objects), BATCH):
        waiting = list(objects[start : start + BATCH])
        stored = start
        for attempt in range(1, ATTEMPTS + 1):
            failed = await server.ask(what, lambda client, sent=waiting: _send(client, place, sent))
            stored += len(waiting) - len(failed)
            if not failed:
                break
            errors = [server.classified_error(what, message.lower(), _cause(message)) for message in failed.values()]
            permanent = next((error for error in errors if isinstance(error, _PERMANENT)), None)
            if permanent is not None:
                raise permanent
            if attempt == ATTEMPTS:
                counts = ", ".join(f"{count} x {kind}" for kind, count in Counter(map(_cause, failed.values())).items())
                raise StorageFailed(
                    f"{what}: {len(failed)} of {len(objects)} chunks were not stored in {ATTEMPTS} attempts "
                    f"({counts}), {stored} were; see the log of {server.name}, and do it again"
                )
            waiting = [waiting[number] for number in sorted(failed)]
            await asyncio.sleep(PAUSE * 2 ** (attempt - 1))


async def _send(client: Client, place: Place, objects: Sequence[DataObject[Any, None]]) -> Mapping[int, str]:
    """Send the objects once; return the server's message about each object that it did not store, by its position."""
    tenant = client.collections.use(place.home).with_tenant(place.generation)
    try:
        result = await tenant.data.insert_many(objects)
    except WeaviateInsertManyAllFailedError as error:
        return dict.fromkeys(range(len(objects)), str(error))
    return {number: error.message for number, error in result.errors.items()}


def _cause(message: str) -> str:
    """Return the cause of a failure in one word, since the server's own message may hold texts and paths."""
    for word in ("timeout", "deadline", "memory", "vector", "shutdown", "consistency"):
        if word in message.lower():
            return word
    return "unknown"
