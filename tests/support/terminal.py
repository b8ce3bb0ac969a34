"""A command in a real terminal of a given width: what it shows is read, and keys are pressed, as a person does."""

import asyncio
import fcntl
import os
import re
import struct
import sys
import termios
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from activities.settings import ROOT, environment_with

WITHIN = 120
"""How long a text may take to be shown, in seconds: the machine may be busy."""

STYLES = re.compile(r"\x1b\[[0-9;]*m")


class Terminal:
    """The screen and the keyboard of one command."""

    def __init__(self, master: int, process: asyncio.subprocess.Process) -> None:
        self._master = master
        self.process = process
        self._shown = ""
        self._read_to = 0
        self._more = asyncio.Event()
        asyncio.get_running_loop().add_reader(master, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._master, 65536)
        except OSError:
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._master)
        self._shown += data.decode(errors="replace")
        self._more.set()

    @property
    def shown(self) -> str:
        """All that was shown so far, without styles."""
        return STYLES.sub("", self._shown).replace("\r\n", "\n")

    async def until(self, text: str) -> str:
        """Return what was shown since the last time, once it has this text. Raises `TimeoutError`."""
        async with asyncio.timeout(WITHIN):
            while text not in self.shown[self._read_to :]:
                if self.process.returncode is not None:
                    await asyncio.sleep(0.05)  # the last output may still be in the terminal
                    assert text in self.shown[self._read_to :], self.shown
                    break
                self._more.clear()
                try:
                    await asyncio.wait_for(self._more.wait(), 0.5)
                except TimeoutError:
                    continue
        new = self.shown[self._read_to :]
        self._read_to = len(self.shown)
        return new

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self._master, keys.encode())

    async def ended(self) -> int:
        """Return the exit code, once the command has ended."""
        return await asyncio.wait_for(self.process.wait(), WITHIN)


@asynccontextmanager
async def terminal(address: str, *arguments: str, columns: int = 80) -> AsyncGenerator[Terminal]:
    """Run `perdure` with these arguments in a terminal."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = environment_with(TEMPORAL_ADDRESS=address, TERM="xterm-256color")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "perdure.cli", *arguments),
        cwd=ROOT,
        env={name: value for name, value in environment.items() if name not in ("COLUMNS", "LINES")},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    try:
        yield Terminal(master, process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        asyncio.get_running_loop().remove_reader(master)
        os.close(master)
