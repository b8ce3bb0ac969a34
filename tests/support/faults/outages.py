"""Real outages: a database that cannot be opened, and a server whose port refuses connections."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

from sqlalchemy import event

from activities.adapters.databases.sqlite_database import SqliteDatabase


@asynccontextmanager
async def away(database: SqliteDatabase) -> AsyncGenerator[None]:
    """Let each connection to the database fail while the context lasts, as if its folder were gone."""
    database.engine.dispose()
    event.listen(database.engine, "do_connect", _refused)
    try:
        yield
    finally:
        event.remove(database.engine, "do_connect", _refused)
        database.engine.dispose()


def _refused(_dialect: Any, _record: Any, _args: Any, parameters: dict[str, Any]) -> Any:
    return sqlite3.connect("/nowhere/perdure.db", timeout=parameters.get("timeout", 5))


class Door:
    """A port in front of a server. While it is shut, connections are refused, and open ones are broken."""

    def __init__(self, host: str, port: int) -> None:
        """Use `door` instead."""
        self._behind = host, port
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def open(self) -> None:
        """Accept connections."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """Refuse connections, and break open ones."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._open):
            writer.transport.abort()

    @property
    def url(self) -> str:
        """The address of the endpoint, as a catalogue names it."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def _serve(self, up: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        down, forth = await asyncio.open_connection(*self._behind)
        self._open |= {back, forth}

        async def carry(one: asyncio.StreamReader, other: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError):
                while data := await one.read(65536):
                    other.write(data)
                    await other.drain()

        directions = [asyncio.create_task(carry(up, forth)), asyncio.create_task(carry(down, back))]
        await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        for direction in directions:
            direction.cancel()
        await asyncio.gather(*directions, return_exceptions=True)
        for end in (forth, back):
            self._open.discard(end)
            end.close()


@asynccontextmanager
async def door(host: str, port: int) -> AsyncGenerator[Door]:
    """Open a door in front of a server, for as long as the context lasts."""
    one = Door(host, port)
    await one.open()
    try:
        yield one
    finally:
        await one.shut()
