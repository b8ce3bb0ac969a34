"""What a tool's `reconcile` says of a call whose outcome is unknown: it happened, it never will, or neither is sure."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class DidHappen:
    """The call happened, and returned this."""

    result: str


@dataclass(frozen=True)
class NeverWill:
    """The call did not happen, and cannot any more: it may be made again.

    That nothing is there is no proof of that: what was sent may still be under way. Say it where the other side refuses
    from now on what comes late, or where the tool's `settles_within` is as long as anything can be under way.
    """


@dataclass(frozen=True)
class CannotTellYet:
    """Neither is sure: it is asked again later, and in the end a person is."""

    reason: str = "the other side does not know of it, and it may still be on its way"
    """One line for people."""


Evidence: TypeAlias = DidHappen | NeverWill | CannotTellYet
