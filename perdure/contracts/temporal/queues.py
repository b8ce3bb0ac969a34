"""The task queues, and the memo field that says whether a run uses the queues by role."""

from enum import StrEnum


class Queue(StrEnum):
    """A task queue. Besides these, each deployment has a queue of its own for generation."""

    PLATFORM = "perdure"
    """Everything but generation, for workers of all roles. Most effects then start without a request to the server."""
    WORKFLOWS = "perdure-workflows"
    """Workflows, and effects that need no slow library, where each role has workers of its own."""
    RETRIEVAL = "perdure-retrieval"
    """Embedding and search."""
    GUARDS = "perdure-guards"
    """Guardrail checks."""
    TOOLS = "perdure-tools"
    """Tool calls."""
    AGENTS = "perdure-agents"
    """Workflows of agents, for versioned workers: a run of many days stays with the code that it began with."""


BY_ROLE = "by_role"
"""The memo field that says whether workers with one role each serve the run. Workflow code branches on it, so it is in
the history."""
