"""Budgets as reservations: the worst case of an effect is reserved before it is scheduled, and its reply settles it."""

from datetime import datetime
from typing import Annotated, Self, TypeAlias

from pydantic import AwareDatetime, Field

from perdure.contracts.contract import Contract, EdgeType


class Spend(Contract):
    """Amounts that were, or may be, used up. Counts are whole numbers from 0; money is integer micro-dollars."""

    steps: int = Field(default=0, ge=0)
    """Paid attempts."""
    tool_calls: int = Field(default=0, ge=0)
    """Calls of tools."""
    input_tokens: int = Field(default=0, ge=0)
    """Tokens of prompts."""
    output_tokens: int = Field(default=0, ge=0)
    """Tokens of replies."""
    micro_dollars: int = Field(default=0, ge=0)
    """One dollar is 1,000,000."""

    def __add__(self, other: "Spend") -> "Spend":
        return Spend(
            steps=self.steps + other.steps,
            tool_calls=self.tool_calls + other.tool_calls,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            micro_dollars=self.micro_dollars + other.micro_dollars,
        )

    def less(self, other: "Spend") -> "Spend":
        """Return this spend minus `other`. No amount goes below zero."""
        return Spend(**{limit: max(0, getattr(self, limit) - getattr(other, limit)) for limit in LIMITS})

    def exceeds(self, budget: "Budget") -> str | None:
        """Return the first limit of the budget that this spend exceeds, as a field name; None where it fits."""
        for limit in LIMITS:
            if getattr(self, limit) > getattr(budget, limit):
                return limit
        return None


def dollars(micro_dollars: int) -> str:
    """Return an amount as text: `$0.000190`."""
    return f"${micro_dollars / 1_000_000:.6f}"


def cost_text(spend: Spend) -> str:
    """Return the tokens and the money of a spend as text: `120 + 12 tokens, $0.000190`."""
    return f"{spend.input_tokens} + {spend.output_tokens} tokens, {dollars(spend.micro_dollars)}"


NOTHING = Spend()
"""The spend that is zero in every limit."""

LIMITS = ("steps", "tool_calls", "input_tokens", "output_tokens", "micro_dollars")
"""The countable limits, in the order in which a breach is reported."""


LARGEST_LIMIT = 10**18
"""The largest limit of a budget, which every database can hold."""

Limit: TypeAlias = Annotated[int, Field(strict=True, ge=0, le=LARGEST_LIMIT)]
"""A limit: a whole number. Neither `True` nor `"5"` nor `5.0` is one."""


class Budget(Contract, metaclass=EdgeType):
    """The most that a run may use up, whatever is retried, lost or paid twice. A limit of 0 allows nothing."""

    steps: Limit = 8
    """Paid attempts, lost ones included."""
    tool_calls: Limit = 0
    """Calls of tools."""
    input_tokens: Limit = 200_000
    """Tokens of prompts."""
    output_tokens: Limit = 20_000
    """Tokens of replies."""
    micro_dollars: Limit = 1_000_000
    """One dollar is 1,000,000."""
    until: AwareDatetime | None = None
    """The moment from which no paid attempt starts; None for no deadline."""

    def of(self, part: Spend) -> "Budget":
        """Return the budget of a child run that may use up `part`. Its deadline is the parent's."""
        return Budget(**{limit: getattr(part, limit) for limit in LIMITS}, until=self.until)


class Allowance(Contract):
    """A budget in use: what is settled, and what each open attempt or child run still holds as a reservation.

    An attempt of unknown outcome keeps its reservation for good. So `settled <= bill <= settled + reserved <= budget`
    holds at every moment.
    """

    budget: Budget
    settled: Spend = Spend()
    """Amounts that are known to be spent."""
    open: dict[str, Spend] = Field(default_factory=dict[str, Spend])
    """Open reservations, by attempt (`step/attempt`) or by child run."""

    @property
    def reserved(self) -> Spend:
        """The sum of all open reservations."""
        return Spend(**{limit: sum(getattr(held, limit) for held in self.open.values()) for limit in LIMITS})

    @property
    def remaining(self) -> Spend:
        """The amount of each limit that can still be reserved."""
        whole = Spend(**{limit: getattr(self.budget, limit) for limit in LIMITS})
        return whole.less(self.settled + self.reserved)

    def shortfall(self, worst: Spend, now: datetime) -> str | None:
        """Return the limit that reserving `worst` now would break, as a field name; None where it can be reserved."""
        if self.budget.until is not None and now >= self.budget.until:
            return "until"
        return (self.settled + self.reserved + worst).exceeds(self.budget)

    def reserve(self, attempt: str, worst: Spend) -> Self:
        """Reserve the worst case of an attempt. Call it only where `shortfall` is None.

        Raises `ValueError` where the attempt holds a reservation already.
        """
        if attempt in self.open:
            raise ValueError(f"attempt {attempt!r} is reserved already")
        return self.model_copy(update={"open": {**self.open, attempt: worst}})

    def settle(self, attempt: str, spent: Spend) -> Self:
        """Replace an attempt's reservation by its real cost. Ignore an attempt that was settled before."""
        if attempt not in self.open:
            return self
        rest = {name: worst for name, worst in self.open.items() if name != attempt}
        return self.model_copy(update={"open": rest, "settled": self.settled + spent})

    def settle_part(self, attempt: str, at_least: Spend) -> Self:
        """Settle the known cost of an attempt that was cut off. The rest of its reservation stays reserved."""
        if attempt not in self.open:
            return self
        known = self.open[attempt].less(self.open[attempt].less(at_least))
        rest = {**self.open, attempt: self.open[attempt].less(known)}
        return self.model_copy(update={"open": rest, "settled": self.settled + known})

    def give_back(self, child: str, settled: Spend, unknown: Spend) -> Self:
        """Settle a child run that has ended: its spend is settled, its unknown part stays reserved, the rest is freed.

        Raises `ValueError` where the child used more than its part: only what was reserved may be settled.
        """
        part = self.open.get(child)
        if part is None:
            return self
        if (over := (settled + unknown).exceeds(self.budget.of(part))) is not None:
            raise ValueError(f"the child {child!r} used more of {over} than its part: {settled + unknown} of {part}")
        rest = {name: held for name, held in self.open.items() if name != child}
        if unknown != Spend():
            rest[child] = unknown
        return self.model_copy(update={"open": rest, "settled": self.settled + settled})


class Charged(Contract):
    """The account of a run: all that its executions were ever charged, also before a reset.

    `settled <= bill <= settled + reserved` holds for the whole run.
    """

    settled: Spend = Spend()
    """Amounts that are known to be spent."""
    reserved: Spend = Spend()
    """The most that attempts of unknown outcome may have cost on top of `settled`."""

    def after(self, known: "Charged | None") -> "Charged":
        """Return the newer of the two accounts: settled amounts only grow, and replies may come in any order."""
        return self if known is None or known.settled.less(self.settled) == NOTHING else known

    def beyond(self, allowance: Allowance) -> Self | None:
        """Return this account where it holds more than this execution knows of; None where the figures are the same."""
        own, held = allowance.settled, allowance.reserved
        more = self.settled.less(own) + (self.settled + self.reserved).less(own + held)
        return None if more == NOTHING else self
