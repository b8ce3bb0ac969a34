"""The intent ledger: it allows each call of a tool, and keeps the outcome for good."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeAlias

from perdure.contracts.budget import NOTHING, Spend
from perdure.contracts.chains.steps import StepKey
from perdure.contracts.tool_calls.ledger import (
    CallPhase,
    CallRecord,
    Decision,
    Failed,
    IntendedCall,
    Refusal,
    ToolOutcome,
)


@dataclass(frozen=True)
class Fresh:
    """The intent is committed: call now, once, and record the outcome."""

    again: bool = False
    """Whether an earlier attempt may have called already: the call is repeatable, or a person accepted the risk."""
    intended_at: datetime | None = field(default=None, compare=False)
    """The time of the commit, by the ledger's clock."""
    since: float | None = field(default=None, compare=False)
    """A moment shortly before the commit, after any wait for other writers, by this process's `elapsed.elapsed`."""


@dataclass(frozen=True)
class Done:
    """The outcome is known: never call."""

    outcome: ToolOutcome


@dataclass(frozen=True)
class Unknown:
    """An attempt was allowed to call and has reported no outcome: never call. Ask `reconcile`, or a person."""

    attempt: int
    """The attempt whose outcome is missing. A decision names it."""
    intended_at: datetime
    """The time when it was allowed to call, by the ledger's clock. Never compare it with another clock."""


@dataclass(frozen=True)
class Superseded:
    """A later attempt was allowed to call, or may be: never call, and decide nothing."""

    by: int
    """The last attempt that was allowed to call. Only one with a higher number may be allowed after it."""


Permission: TypeAlias = Fresh | Done | Unknown | Superseded


@dataclass(frozen=True)
class Recorded:
    """The effect of a recorded outcome."""

    phase: CallPhase
    """The call's phase after it."""
    outcome: ToolOutcome | None
    """The outcome that counts, from whatever source; None if there is none."""
    counts: bool
    """Whether this outcome decides the call's phase; otherwise it is kept as evidence."""
    late: bool
    """Whether it counts although the call was held to be unknown or not happened, or another attempt was running."""


@dataclass(frozen=True)
class Decided:
    """The decision holds."""

    phase: CallPhase
    outcome: ToolOutcome | None


@dataclass(frozen=True)
class LedgerRefused:
    """The decision changed nothing."""

    why: Refusal
    outcome: ToolOutcome | None = None
    """The outcome that counts, if there is one."""


class EffectLedger(Protocol):
    """Stores the intent of every tool call before it is made, and the outcome after it.

    The key belongs to the call and is the same for all its attempts. Attempts are numbered upwards over the whole life
    of the call. Each method is one transaction and may be repeated. All raise `StorageFull` or `StorageFailed`.
    """

    async def intend(self, key: StepKey, attempt: int, call: IntendedCall, price: Spend = NOTHING) -> Permission:
        """Ask whether this attempt may call. If a call may be made only once, only one attempt ever gets `Fresh`.

        Another attempt gets `Fresh` only after the attempt itself, `reconcile` or a person reported that the call did
        not happen. An attempt that asks twice, as after a second delivery, does not get `Fresh` again.
        With `Fresh`, the price is charged to the run's account in the same transaction.
        Raises `KeyTaken` if the key belongs to another call, `WindowSpent` if the account does not cover the price, and
        `NotThisRun` if there is a price and no account: then nothing is written.
        """
        ...

    async def forgo(self, key: StepKey, attempt: int, call: IntendedCall, why: Failed) -> Permission:
        """Ask for the permission and give it up in the same transaction: this attempt does not call.

        `why` has to be a failure that did not happen. The answer `Fresh` means that it is recorded as the call's
        outcome, which every later attempt gets; if `why` may be retried, an attempt of a higher number may call. With
        `Fresh(again=True)` the call is unknown, since an earlier attempt may have called. Any other answer changes
        nothing. Raises `KeyTaken` if the key belongs to another call.
        """
        ...

    async def record(self, key: StepKey, attempt: int, outcome: ToolOutcome) -> Recorded:
        """Record the outcome of an attempt that was allowed to call. The first one counts, however late it comes.

        A failure that may have happened leaves the call unknown. The body of a result is stored in the same
        transaction. Recording the same again changes nothing.
        Raises `UnknownKey` if this attempt was never allowed to call.
        """
        ...

    async def decide(self, key: StepKey, decision: Decision) -> Decided | LedgerRefused:
        """Decide an unknown outcome. The same decision again gets the same answer."""
        ...

    async def look(self, key: StepKey) -> CallRecord | None:
        """Return the record of a call; None if no attempt ever asked."""
        ...

    async def unknowns(self, tenant: str) -> tuple[CallRecord, ...]:
        """Return the tenant's calls whose outcome is unknown, the longest unknown first."""
        ...
