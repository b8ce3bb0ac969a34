"""The intent ledger: a tool is called only by whoever it lets, and what came of it is kept for good."""

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
    """The intent is committed: call now, once, and record what comes of it."""

    again: bool = False
    """Whether an earlier attempt may have called already: the call is repeatable, or a person takes the risk."""
    intended_at: datetime | None = field(default=None, compare=False)
    """When it was committed, by the ledger's clock."""
    since: float | None = field(default=None, compare=False)
    """A moment shortly before that by this process's own clock, `call_times.elapsed`: the wait for others is over then.
    """


@dataclass(frozen=True)
class Done:
    """The outcome is there: never call."""

    outcome: ToolOutcome


@dataclass(frozen=True)
class Unknown:
    """An attempt was allowed to call and has not told its outcome: never call. Ask `reconcile`, or a person."""

    attempt: int
    """Whose outcome is missing: a decision names it."""
    intended_at: datetime
    """When it was allowed to call, by the ledger's clock: not to be compared with another one."""


@dataclass(frozen=True)
class Superseded:
    """A later attempt was allowed to call, or may be: never call, and decide nothing."""

    by: int
    """The attempt that was allowed to call last. Only a higher one may ever be again."""


Permission: TypeAlias = Fresh | Done | Unknown | Superseded


@dataclass(frozen=True)
class Recorded:
    """What a told outcome came to."""

    phase: CallPhase
    """Where the call stands after it."""
    outcome: ToolOutcome | None
    """The outcome that counts, whoever told it; None where there is none."""
    counts: bool
    """Whether what was told decides where the call stands; otherwise it is kept as evidence."""
    late: bool
    """Whether it counts though the call was taken for unknown or not happened, or another attempt was on its way."""


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
    """The outcome that counts, where there is one."""


class EffectLedger(Protocol):
    """Remembers the intent of every tool call before it is made, and its outcome after.

    The key is that of the call, the same for all its attempts; attempts are numbered upwards over the whole life of the
    call. Each method is one transaction, and may be repeated. All raise `StorageFull` or `StorageFailed`.
    """

    async def intend(self, key: StepKey, attempt: int, call: IntendedCall, price: Spend = NOTHING) -> Permission:
        """Ask whether this attempt may call. Of what may be called once, one attempt ever hears `Fresh`.

        Another one may only after it was said that the call did not happen: by the attempt itself, by `reconcile`, or
        by a person. An attempt that asks again, as one that was delivered twice does, is not `Fresh` again.
        The price is charged to the run's account in the same transaction, where the answer is `Fresh`.
        Raises `KeyTaken` where the key has been used for another call, `WindowSpent` where the account does not cover
        the price, and `NotThisRun` where there is a price and no account: nothing is written then.
        """
        ...

    async def forgo(self, key: StepKey, attempt: int, call: IntendedCall, why: Failed) -> Permission:
        """Ask as `intend` does, and give the permission up in the same transaction: this attempt does not call.

        `why` did not happen. `Fresh` then says that it is written down: the call is done with it, and every attempt
        hears so, however late it asks; where `why` may be retried, only one of a higher number may call. Where it is
        `again`, the call is unknown, since an earlier attempt may have called. What else it answers changes nothing.
        Raises `KeyTaken` where the key has been used for another call.
        """
        ...

    async def record(self, key: StepKey, attempt: int, outcome: ToolOutcome) -> Recorded:
        """Tell what came of an attempt that was allowed to call. The first outcome counts, however late it comes.

        A failure of which nobody knows whether it happened leaves the call unknown. The body of a result is stored in
        the same transaction. Telling the same again changes nothing.
        Raises `UnknownKey` where this attempt was never allowed to call.
        """
        ...

    async def decide(self, key: StepKey, decision: Decision) -> Decided | LedgerRefused:
        """Take somebody's word on an unknown outcome. The same decision again is answered as before."""
        ...

    async def look(self, key: StepKey) -> CallRecord | None:
        """All that is known of a call; None where no attempt ever asked."""
        ...

    async def unknowns(self, tenant: str) -> tuple[CallRecord, ...]:
        """The tenant's calls whose outcome is unknown, the longest unknown first."""
        ...
