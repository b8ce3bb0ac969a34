"""Keys and lines that a person types in a terminal, one question at a time."""

import os
import signal
import sys
from collections.abc import Callable, Container, Generator
from contextlib import contextmanager

import typer

try:
    import termios
except ImportError:  # a system whose terminals are of another kind
    termios = None

ENDS = {"\x04", "\x1b", ""}
"""Ctrl-D, Escape and the end of the input: they decide nothing."""

INTERRUPT = "\x03"
"""Ctrl-C, which a terminal passes on as a key while single keys are read."""

LONGEST = 32
"""The most bytes of one key. More than one character is a special key, or was pasted, and is no answer."""


def pressed(prompt: str, keys: Container[str]) -> str | None:
    """Return which of the keys is pressed after the prompt is there; None for Escape, Ctrl-D and the input's end.

    Keys that were pressed earlier are dropped: nobody can have meant them. Other keys ring the bell. Raises
    `KeyboardInterrupt`.
    """
    with _single_keys() as read:
        sys.stderr.write(prompt)
        sys.stderr.flush()
        while (key := read().lower()) not in keys and key not in ENDS:
            if key == INTERRUPT:
                raise KeyboardInterrupt
            sys.stderr.write("\a")
            sys.stderr.flush()
    sys.stderr.write(f"{key if key not in ENDS else ''}\n")
    return None if key in ENDS else key


def typed(question: str) -> str:
    """Return a line that is typed, perhaps an empty one. Raises `KeyboardInterrupt` at the first Ctrl-C."""
    # asyncio's own handler waits for the loop, which waits for this line.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return str(typer.prompt(question, default="", show_default=False, err=True))
    except typer.Abort:
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _single_keys() -> Generator[Callable[[], str]]:
    """Let the terminal pass on each key by itself, unseen, and drop those that were pressed before."""
    if termios is None:
        yield typer.getchar
        return
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    single = termios.tcgetattr(terminal)
    single[3] &= ~(termios.ICANON | termios.ECHO | termios.ISIG)
    termios.tcsetattr(terminal, termios.TCSAFLUSH, single)
    try:
        yield lambda: os.read(terminal, LONGEST).decode(errors="replace")
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
