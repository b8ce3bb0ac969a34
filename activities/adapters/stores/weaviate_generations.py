"""Replaces a collection in Weaviate as a whole: a new generation beside the live one, and then a pointer."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final, TypeVar

from weaviate.classes.data import DataObject
from weaviate.exceptions import UnexpectedStatusCodeError

from activities.adapters.stores import weaviate_batches
from activities.adapters.stores.weaviate_client import Client, Vanished, WeaviateServer
from activities.adapters.stores.weaviate_pointers import POINTERS, find_itself, point, pointer_schema
from activities.adapters.stores.weaviate_schema import Place, generation_of, schema
from activities.ports import PortError, StorageFailed

ABANDONED: Final = timedelta(hours=1)
"""How old a generation that nothing points to must be before it is taken for what a killed writer left. No replacement
may take longer, and the clocks of writers must differ by less."""

Reply = TypeVar("Reply")


class Generations:
    """The generations of all collections of a server."""

    def __init__(self, server: WeaviateServer, dimensions: int, abandoned: timedelta) -> None:
        self._server = server
        self._dimensions = dimensions
        self._abandoned = abandoned
        self._there: set[str] = set()
        """The classes that are known to exist."""

    async def prepare(self, what: str, home: str | None = None) -> None:
        """Make the class of the pointers and a class of chunks, where they are not there yet."""
        wanted = {POINTERS: pointer_schema} | ({} if home is None else {home: schema})

        async def make(client: Client) -> None:
            for name, made_of in wanted.items():
                if not await client.collections.exists(name):
                    try:
                        await client.collections.create(name, **made_of())
                    except UnexpectedStatusCodeError as error:
                        if "already exists" not in str(error):  # another writer was first
                            raise

        if not self._there.issuperset(wanted):
            await self._certainly(what, make)
            self._there.update(wanted)

    async def replace(self, what: str, tenant: str, collection: str, objects: Sequence[DataObject[Any, None]]) -> None:
        """Make these the objects of the live generation, all at once."""
        place = Place.new(self._dimensions, tenant, collection)

        async def create(client: Client) -> None:
            await client.collections.use(place.home).tenants.create(place.generation)

        async def make_live(client: Client) -> Place | None:
            """Point to it; returns the generation that nothing needs from then on."""
            live = await find_itself(client, tenant, collection)
            if live is not None and live.place == place:
                return None  # the write was done, and only its reply was lost
            await point(client, tenant, collection, place, None if live is None else live.place)
            return None if live is None else live.before

        await self.prepare(what, place.home)
        try:
            await self._server.ask(what, create)
        except Vanished:
            # Somebody removed the class since this process saw it.
            self._there.clear()
            await self.prepare(what, place.home)
            await self._certainly(what, create)
        try:
            await weaviate_batches.insert(self._server, what, place, objects)
        except Vanished:
            raise StorageFailed(f"{what}: somebody removed it while it was stored; store it again") from None
        except PortError:
            await self._clean_up(what, lambda client: _remove(client, place.home, [place.generation]))
            raise
        if place.made_before(self._abandoned):
            raise StorageFailed(f"{what}: it took more than {self._abandoned}; store it in several insertions")
        unneeded = await self._certainly(what, make_live)
        if unneeded is not None:
            await self._clean_up(what, lambda client: _remove(client, unneeded.home, [unneeded.generation]))
        await self._clean_up(what, lambda client: self._tidy(client, tenant, place))

    async def _tidy(self, client: Client, tenant: str, place: Place) -> None:
        """Remove what replacements left that were killed, or that another one overtook."""
        live = await find_itself(client, tenant, place.collection)
        needed = set[str]() if live is None else {one.generation for one in (live.place, live.before) if one}
        there = await client.collections.use(place.home).tenants.get()
        left = [
            name
            for name in there
            if generation_of(tenant, name)
            and name not in needed
            and Place(place.dimensions, place.collection, name).made_before(self._abandoned)
        ]
        if left:
            await _remove(client, place.home, left)

    async def _clean_up(self, what: str, work: Callable[[Client], Awaitable[None]]) -> None:
        """Do some work that nobody waits for: what it leaves goes with a later replacement."""
        with suppress(PortError):
            await self._certainly(what, work)

    async def _certainly(self, what: str, work: Callable[[Client], Awaitable[Reply]]) -> Reply:
        """As the server's `ask`, where a class that is gone is a failure like another."""
        try:
            return await self._server.ask(what, work)
        except Vanished:
            raise StorageFailed(f"{what}: its class was removed meanwhile; do it again") from None


async def _remove(client: Client, home: str, generations: Sequence[str]) -> None:
    await client.collections.use(home).tenants.remove(generations)
