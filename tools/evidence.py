"""The evidence about a call of unknown outcome: it happened, it never will, or `reconcile` cannot tell yet."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class DidHappen:
    """The call happened, and returned `result`."""

    result: str


@dataclass(frozen=True)
class NeverWill:
    """The call did not happen, and cannot happen any more: it may be made again.

    Absence is no proof: the request may still be on its way. Return this only where the other side refuses late
    requests from now on, or where the tool's `settles_within` is as long as a request can take.
    """


@dataclass(frozen=True)
class CannotTellYet:
    """The outcome is still unknown: `reconcile` is called again later, and in the end a person is asked."""

    reason: str = "the other side does not know of it, and it may still be on its way"
    """One line for people."""


Evidence: TypeAlias = DidHappen | NeverWill | CannotTellYet
