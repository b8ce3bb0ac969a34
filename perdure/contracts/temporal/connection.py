"""Temporal's own connection configuration. Error messages about it show none of its content."""

import asyncio
import re

from temporalio.envconfig import ClientConfig, ClientConnectConfig

REST_SECONDS = 0.05
"""How long the SDK's threads may take to end after the last call to Temporal."""

PLACE = re.compile(r"\bline \d+, column \d+")
"""The place in a TOML file, as Temporal's error messages write it."""


async def let_connection_rest() -> None:
    """Wait a moment after the last call to Temporal: a process that ends right after it may crash in its exit."""
    await asyncio.sleep(REST_SECONDS)


def connect_config(*, environment: bool = True) -> ClientConnectConfig:
    """Return the connection configuration from `TEMPORAL_ADDRESS` and the like, or from Temporal's TOML file.

    Raises `ConnectionError`. Its message quotes nothing from the file: Temporal's own message shows the line that it
    cannot read, keys included.
    """
    try:
        return ClientConfig.load_client_connect_config(disable_env=not environment)
    except OSError as error:
        raise ConnectionError(
            f"a file of Temporal's configuration cannot be read ({error.strerror}): "
            "see that what TEMPORAL_TLS_... names is there"
        ) from None
    except RuntimeError as error:
        place = PLACE.search(str(error))
        where = f"is wrong at {place.group()}" if place else "may lack what TEMPORAL_PROFILE names"
        raise ConnectionError(
            "Temporal's configuration cannot be used: correct a TEMPORAL_ variable, "
            f"or the file TEMPORAL_CONFIG_FILE, which {where}"
        ) from None
