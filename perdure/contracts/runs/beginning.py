"""The beginning of a run: what it was asked for, and by whom."""

from perdure.contracts.contract import Contract


class Beginning(Contract):
    """What a run was asked for, as its history recorded it."""

    task: str | None = None
    """The whole task or question; None where the history no longer holds it, or the run reads a document."""
    starter: str = ""
    """Who started the run; empty where nobody said so."""
    verified: bool = False
    """Whether a token proved who started it; otherwise the name is only what the starter stated."""
