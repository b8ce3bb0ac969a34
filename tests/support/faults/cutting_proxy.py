"""A way to a server that breaks when a word goes by: the server has it, and whoever sent it hears nothing more."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress


class CuttingProxy:
    """Forwards connections. Breaks the next `cuts` of those that send `word`, once the server has answered it."""

    def __init__(self, host: str, port: int, word: bytes) -> None:
        """Use `cutting`."""
        self._server = host, port
        self._word = word
        self.cuts = 0
        """How many more are broken."""
        self.port = 0
        """Where it listens, on loopback."""

    async def serve(self, up: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        """Forward one connection until one of both ends it, or it is cut."""
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
                    return  # done on the server, and never told
                back.write(data)

        with suppress(ConnectionError):
            await asyncio.wait(
                [asyncio.create_task(send()), asyncio.create_task(answer())], return_when=asyncio.FIRST_COMPLETED
            )
        for end in (forth, back):
            end.close()


@asynccontextmanager
async def cutting(host: str, port: int, word: bytes) -> AsyncGenerator[CuttingProxy]:
    """A proxy in front of a server, for as long as the context lasts."""
    proxy = CuttingProxy(host, port, word)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
