"""A tool whose results fill the context window of a model."""

from tools.base import ToolArguments, ToolContext, ToolEffect, tool

LINE = "The pump of the boat house ran for eight hours and was stopped by hand.\n"


class Log(ToolArguments):
    """Which log, and how much of it."""

    lines: int
    """So many lines, of 72 bytes each."""


@tool(ToolEffect.READ_ONLY)
async def read_log(_context: ToolContext, log: Log) -> str:
    """Read the log of the pump."""
    return LINE * log.lines
