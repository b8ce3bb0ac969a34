"""The command line `perdure`, for terminals and scripts. It needs the wheel's extra `cli`: typer and rich."""

import sys


def main() -> int:
    """Run one command and end the process with its exit code; return 1 where the extra is not installed."""
    try:
        from perdure.cli.app import main as run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"typer", "rich"}:
            raise
        sys.stderr.write(f"perdure: the command line needs {error.name}: install it with pip install 'perdure[cli]'\n")
        return 1
    from perdure.cli.exits import leave

    return leave(run())
