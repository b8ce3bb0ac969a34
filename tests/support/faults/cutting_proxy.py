"""A proxy that cuts a connection once a certain word passes: the server has it, and the client gets no answer."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress


class CuttingProxy:
    """A forwarding proxy. It cuts the next `cuts` connections that send `word`, once the server has answered."""

    def __init__(self, host: str, port: int, word: bytes) -> None:
        """Use `cutting` instead."""
        self._server = host, port
        self._word = word
        self.cuts = 0
        """The number of connections that are still to be cut."""
        self.port = 0
        """The port where it listens, on loopback."""

    async def serve(self, up: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        """Forward one connection until one end closes it, or until it is cut."""
        down, forth = await asyncio.open_connection(*self._server)
        cut = asyncio.Event()

        async def send() -> None:
            while data := await up.read(65536):
                if self.cuts and self._word in data:
                    self.cuts -= 1
                    cut.set()
                forth.write(data)

        async def answer() -> None:
            while data := await down.read(65536):
                if cut.is_set():
                    return  # done on the server, and not acknowledged
                back.write(data)

        with suppress(ConnectionError):
            await asyncio.wait(
                [asyncio.create_task(send()), asyncio.create_task(answer())], return_when=asyncio.FIRST_COMPLETED
            )
        for end in (forth, back):
            end.close()


@asynccontextmanager
async def cutting(host: str, port: int, word: bytes) -> AsyncGenerator[CuttingProxy]:
    """Run a proxy in front of a server, for as long as the context lasts."""
    proxy = CuttingProxy(host, port, word)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
