"""A moment of rest for commands that speak to Temporal by themselves."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

Done = TypeVar("Done")

REST = 0.05
"""Seconds, in which the SDK's threads come to their end."""


async def rested(command: Awaitable[Done]) -> Done:
    """A command, and a moment after it: a process that ends right after its last call to Temporal may crash."""
    try:
        return await command
    finally:
        await asyncio.sleep(REST)
