"""Runs `python -m deploy.weaviate`: builds Weaviate's server if it is missing, and prints where it is."""

import sys

from activities import settings as tree
from deploy.processes.errors import DeployError
from deploy.weaviate.build import obtain


def main() -> None:
    """Print where the server of the stack and the tests is. An error that the user can fix ends with one line and 1."""
    settings = tree.load()
    if settings.store.weaviate is not None:
        print(f"Weaviate: the server that PERDURE_STORE__WEAVIATE names is used, {settings.store.weaviate}")
        return
    try:
        print(f"Weaviate: {obtain(settings.paths.programs)}")
    except DeployError as error:
        sys.exit(f"perdure: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
