"""A checkout of the platform, whose programs tests start as processes. None of its modules is imported."""

import os
import subprocess
from pathlib import Path

from perdure.errors import PlatformError
from perdure.testing.program import Program

__all__ = ["Checkout", "CheckoutUnusable"]


class CheckoutUnusable(PlatformError):
    """A folder that is not a checkout, or that has no interpreter to start it with."""


class Checkout:
    """A checkout of the platform, by its path."""

    def __init__(self, path: Path | str, *, python: Path | str | None = None) -> None:
        """Use the checkout at `path`. Raises `CheckoutUnusable`.

        `python` is the interpreter with the checkout's packages; None for the one that `make setup` made.
        """
        self.path = Path(path).expanduser().resolve()
        for name in ("worker.py", "deploy/testing/stack.py", "deploy/testing/stub/model.py"):
            if not (self.path / name).is_file():
                raise CheckoutUnusable(
                    f"{str(self.path)!r} is no checkout of Perdure, it has no {name}: name its folder"
                )
        folder = "Scripts" if os.name == "nt" else "bin"
        # Do not resolve it: the interpreter of a virtual environment is a link to one outside.
        self.python = Path(python).expanduser().absolute() if python else self.path / ".venv" / folder / "python"
        if not self.python.exists():
            raise CheckoutUnusable(
                f"there is no interpreter {str(self.python)!r}: run `make setup` in the checkout, or name the one "
                "that has its packages"
            )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of its modules to its end: `run("deploy.local", "effects")`. The result holds its output."""
        return subprocess.run(  # noqa: S603 - the interpreter of the user's own checkout
            [str(self.python), "-m", *arguments],
            cwd=self.path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def begin(self, name: str, *arguments: str, log: Path) -> Program:
        """Start one of its modules, which reports that it is ready in its first line. Raises `ProgramFailed`."""
        return Program(name, [str(self.python), "-m", *arguments], folder=self.path, log=log)
