"""Replaces a whole collection in Weaviate: writes a new generation beside the live one, and then moves a pointer."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final, TypeVar

from weaviate.classes.data import DataObject
from weaviate.exceptions import UnexpectedStatusCodeError

from activities.adapters.stores import weaviate_batches
from activities.adapters.stores.weaviate_client import Client, Vanished, WeaviateServer
from activities.adapters.stores.weaviate_pointers import POINTERS, find_itself, point, pointer_schema
from activities.adapters.stores.weaviate_schema import WORDS, Place, is_generation_of, schema, words_property
from activities.ports import PortError, StorageFailed

ABANDONED: Final = timedelta(hours=1)
"""The age from which on a generation without a pointer counts as left by a killed writer, and is removed. No
replacement may take longer, and the clocks of writers must differ by less."""

Reply = TypeVar("Reply")


class Generations:
    """The generations of all collections of a server."""

    def __init__(self, server: WeaviateServer, dimensions: int, abandoned: timedelta) -> None:
        self._server = server
        self._dimensions = dimensions
        self._abandoned = abandoned
        self._existing_classes: set[str] = set()
        """The classes of Weaviate that are known to exist."""

    async def prepare(self, what: str, home: str | None = None) -> None:
        """Create the class of the pointers and a class of chunks, unless they exist."""
        schemas = {POINTERS: pointer_schema} | ({} if home is None else {home: schema})

        async def make(client: Client) -> None:
            for name, make_schema in schemas.items():
                if not await client.collections.exists(name):
                    try:
                        await client.collections.create(name, **make_schema())
                    except UnexpectedStatusCodeError as error:
                        if "already exists" not in str(error):  # another writer was first
                            raise
                elif name == home:
                    await _add_words(client, name)

        if not self._existing_classes.issuperset(schemas):
            await self._ask_existing(what, make)
            self._existing_classes.update(schemas)

    async def replace(self, what: str, tenant: str, collection: str, objects: Sequence[DataObject[Any, None]]) -> None:
        """Replace the objects of the live generation in one step."""
        place = Place.new(self._dimensions, tenant, collection)

        async def create(client: Client) -> None:
            await client.collections.use(place.home).tenants.create(place.generation)

        async def make_live(client: Client) -> Place | None:
            """Point to the new generation; return the generation that is not needed any more."""
            live = await find_itself(client, tenant, collection)
            if live is not None and live.place == place:
                return None  # an earlier attempt has written it, and only its reply was lost
            await point(client, tenant, collection, place, None if live is None else live.place)
            return None if live is None else live.before

        await self.prepare(what, place.home)
        try:
            await self._server.ask(what, create)
        except Vanished:
            # Somebody has removed the class since this process last checked.
            self._existing_classes.clear()
            await self.prepare(what, place.home)
            await self._ask_existing(what, create)
        try:
            await weaviate_batches.insert(self._server, what, place, objects)
        except Vanished:
            raise StorageFailed(f"{what}: somebody removed it while it was stored; store it again") from None
        except PortError:
            await self._clean_up(what, lambda client: _remove(client, place.home, [place.generation]))
            raise
        if place.made_before(self._abandoned):
            raise StorageFailed(f"{what}: it took more than {self._abandoned}; store it in several insertions")
        superseded = await self._ask_existing(what, make_live)
        if superseded is not None:
            await self._clean_up(what, lambda client: _remove(client, superseded.home, [superseded.generation]))
        await self._clean_up(what, lambda client: self._remove_abandoned(client, tenant, place))

    async def _remove_abandoned(self, client: Client, tenant: str, place: Place) -> None:
        """Remove the generations left by replacements that were killed, or that another replacement overtook."""
        live = await find_itself(client, tenant, place.collection)
        needed = set[str]() if live is None else {one.generation for one in (live.place, live.before) if one}
        tenants = await client.collections.use(place.home).tenants.get()
        abandoned = [
            name
            for name in tenants
            if is_generation_of(tenant, name)
            and name not in needed
            and Place(place.dimensions, place.collection, name).made_before(self._abandoned)
        ]
        if abandoned:
            await _remove(client, place.home, abandoned)

    async def _clean_up(self, what: str, work: Callable[[Client], Awaitable[None]]) -> None:
        """Do optional work and ignore its errors: a later replacement removes what it leaves."""
        with suppress(PortError):
            await self._ask_existing(what, work)

    async def _ask_existing(self, what: str, work: Callable[[Client], Awaitable[Reply]]) -> Reply:
        """Ask the server. Raises `StorageFailed` where a class does not exist, instead of `Vanished`."""
        try:
            return await self._server.ask(what, work)
        except Vanished:
            raise StorageFailed(f"{what}: its class was removed meanwhile; do it again") from None


async def _remove(client: Client, home: str, generations: Sequence[str]) -> None:
    await client.collections.use(home).tenants.remove(generations)


async def _add_words(client: Client, home: str) -> None:
    """Add the property of words to a class that an older version made."""
    collection = client.collections.use(home)
    if WORDS not in {one.name for one in (await collection.config.get()).properties}:
        try:
            await collection.config.add_property(words_property())
        except UnexpectedStatusCodeError as error:
            if "already exists" not in str(error):  # another writer was first
                raise
