"""Where work waits: the task queues, and how a run says which of them serve it."""

from enum import StrEnum


class Queue(StrEnum):
    """The task queues. Generation has one for each deployment besides."""

    PLATFORM = "perdure"
    """Everything but generation, for workers of all roles: most effects then start without asking the server."""
    WORKFLOWS = "perdure-workflows"
    """Workflows, and effects that need no slow library, where each role has workers of its own."""
    RETRIEVAL = "perdure-retrieval"
    """Embedding and search."""
    GUARDS = "perdure-guards"
    """Guardrail checks."""
    TOOLS = "perdure-tools"
    """Calls of tools."""
    AGENTS = "perdure-agents"
    """Agents' workflows, for workers of a version: a run of many days stays with the code that it began with."""


BY_ROLE = "by_role"
"""The memo field that says whether workers of one role each serve the run. It decides, so it is in the history."""
