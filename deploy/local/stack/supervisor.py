"""Tends the parts of a stack: one that dies is reported at once, and started again until it has died too often."""

import time
from collections.abc import Callable, Generator
from typing import TypeAlias

from deploy.processes.errors import ProcessDied
from deploy.processes.process import Process
from deploy.processes.progress import CONSOLE
from deploy.processes.restarts import LIMIT, WINDOW, GiveUp, Restarts

EVERY = 0.1
"""The seconds between two looks at all parts."""

Work: TypeAlias = Generator[None]
"""Work that waits at each `yield` until the next look: nothing that one part needs delays another."""


class Supervisor:
    """The running parts of a stack, and what is under way with each."""

    def __init__(self, remember: Callable[[Process, int], None]) -> None:
        """Start with no part. `remember` is called with a part and its pid whenever it is started."""
        self._remember = remember
        self._restarts = Restarts()
        self._parts: list[Process] = []
        self._work: dict[Process, Work] = {}
        self._more: list[Work] = []
        self._held: Callable[[Process], bool] = lambda _: False

    @property
    def parts(self) -> tuple[Process, ...]:
        """The parts, in the order of their start."""
        return tuple(self._parts)

    def add(self, part: Process) -> None:
        """Take a part that was just launched; it is not tended before `tend`."""
        self._parts.append(part)

    def tend(self, part: Process) -> None:
        """Watch a part from now on."""
        self._work[part] = self._tended(part)

    def leave(self, part: Process) -> None:
        """Watch a part no longer; it is still stopped with the others."""
        self._work.pop(part, None)

    def remove(self, part: Process) -> None:
        """Forget a part that is gone."""
        self.leave(part)
        self._parts.remove(part)

    def follow(self, work: Work) -> None:
        """Continue this work at every look too."""
        self._more.append(work)

    def hold(self, held: Callable[[Process], bool]) -> None:
        """Start no part again for which this function is true."""
        self._held = held

    def started(self, part: Process) -> Callable[[int], None]:
        """Return the function to launch a part with: it remembers the pid."""
        return lambda pid: self._remember(part, pid)

    def look(self) -> None:
        """Look at every part once. Raises `ProcessDied` where one has died too often."""
        for work in (*self._work.values(), *self._more):
            next(work)

    def stop(self) -> None:
        """Stop every part, the last one first, and wait until it is gone."""
        for work in (*self._work.values(), *self._more):
            work.close()
        while self._parts:
            part = self._parts[-1]
            ran = part.running()
            part.end()
            self.remove(part)
            if ran:
                say(f"{part.name} has stopped")

    def _tended(self, part: Process) -> Work:
        """Watch a part for ever, and start it again whenever it died."""
        while True:
            try:
                part.check()
            except ProcessDied as death:
                yield from self._start_again(part, death)
            yield

    def _start_again(self, part: Process, death: ProcessDied) -> Work:
        """Report the death, and start the part until it is ready. Raises `ProcessDied` where it dies too often."""
        while True:
            part.clear()
            step, self._restarts = self._restarts.after_death(part.name, time.monotonic())
            if isinstance(step, GiveUp):
                often = f"{part.name} has died more than {LIMIT} times within {WINDOW:.0f} s, so the stack has stopped"
                raise ProcessDied(f"{often}: {death.how}", part.log, death.lines)
            say(f"{death.how}; its log: {part.log}")
            for line in death.lines[-3:] if death.code is None or death.code > 0 else ():  # a signal leaves no words
                say(f"  {line}")
            say(f"{part.name} is starting again (restart {step.number} of {LIMIT} within {WINDOW:.0f} s)")
            while time.monotonic() < step.at or self._held(part):
                yield
            began = time.monotonic()
            try:
                part.launch(self.started(part), adds_to_log=True)
                while not part.is_ready():
                    yield
            except ProcessDied as again:
                death = again
                continue
            say(f"{part.name} is ready again ({time.monotonic() - began:.1f} s)")
            return


def say(line: str) -> None:
    """Print a line for the user."""
    CONSOLE.print(line, highlight=False, markup=False, soft_wrap=True)
