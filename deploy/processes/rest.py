"""Runs a command that speaks to Temporal by itself, and lets the connection rest before the process ends."""

from collections.abc import Awaitable
from typing import TypeVar

from perdure.contracts.temporal.connection import let_connection_rest

Done = TypeVar("Done")


async def rested(command: Awaitable[Done]) -> Done:
    """Await a command, then let its connection to Temporal rest; return the command's result."""
    try:
        return await command
    finally:
        await let_connection_rest()
