"""Explains the errors of the platform: the exit code, and the line that the user reads."""

import sys

from perdure.cli.exits import Exit


def explain(error: BaseException) -> tuple[int, str] | None:
    """Return the exit code and the line for an error of the platform; None for any other."""
    # An error of a module that nobody has imported cannot have been raised.
    if _is(error, "deploy.processes.errors", "BadArgument"):
        return Exit.USAGE, str(error)
    known = (
        ("deploy.processes.errors", "DeployError"),
        ("activities.ports.errors", "PortError"),
        ("tools.errors", "ToolError"),
    )
    if any(_is(error, module, name) for module, name in known) or isinstance(error, ConnectionError):
        return Exit.ERROR, str(error)
    if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
        where = f" {error.filename!r}" if error.filename else ""
        return Exit.ERROR, f"cannot use{where or ' a file'}: {error.strerror or error}"
    return None


def _is(error: BaseException, module: str, name: str) -> bool:
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(error, kind)
