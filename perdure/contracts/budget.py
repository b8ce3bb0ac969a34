"""Budgets are reservations: the worst case is set aside before an effect is scheduled, and its reply settles it."""

from datetime import datetime
from typing import Self

from pydantic import AwareDatetime, Field

from perdure.contracts.contract import Contract


class Spend(Contract):
    """What was, or may be, used up. Money is integer micro-dollars."""

    steps: int = Field(default=0, ge=0)
    tool_calls: int = Field(default=0, ge=0)
    input_tokens: int = Field(default=0, ge=0)
    output_tokens: int = Field(default=0, ge=0)
    micro_dollars: int = Field(default=0, ge=0)

    def __add__(self, other: "Spend") -> "Spend":
        return Spend(
            steps=self.steps + other.steps,
            tool_calls=self.tool_calls + other.tool_calls,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            micro_dollars=self.micro_dollars + other.micro_dollars,
        )

    def less(self, other: "Spend") -> "Spend":
        """What is left of it once `other` is taken away, nothing below zero."""
        return Spend(**{limit: max(0, getattr(self, limit) - getattr(other, limit)) for limit in LIMITS})

    def exceeds(self, budget: "Budget") -> str | None:
        """The first limit that this spend is over, as a field name; None where it fits."""
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
"""Of no limit anything."""

LIMITS = ("steps", "tool_calls", "input_tokens", "output_tokens", "micro_dollars")
"""The countable limits, in the order in which a breach is named."""


class Budget(Contract):
    """What a run may use up at most, whatever is retried, lost or paid twice."""

    steps: int = Field(default=8, ge=0)
    """Paid attempts, lost ones included."""
    tool_calls: int = Field(default=0, ge=0)
    input_tokens: int = Field(default=200_000, ge=0)
    output_tokens: int = Field(default=20_000, ge=0)
    micro_dollars: int = Field(default=1_000_000, ge=0)
    """One dollar is 1,000,000."""
    until: AwareDatetime | None = None
    """No paid attempt starts after this moment; None for no deadline."""

    def of(self, part: Spend) -> "Budget":
        """The budget of a child that may use up this part: its deadline is the parent's."""
        return Budget(**{limit: getattr(part, limit) for limit in LIMITS}, until=self.until)


class Allowance(Contract):
    """A budget in use: what is settled, and what each open attempt, or each child's part, still holds.

    An attempt whose outcome is unknown keeps its reservation for good, so that
    `settled <= bill <= settled + reserved <= budget` holds at every moment.
    """

    budget: Budget
    settled: Spend = Spend()
    open: dict[str, Spend] = Field(default_factory=dict[str, Spend])
    """Reservations by attempt (`step/attempt`), and by child."""

    @property
    def reserved(self) -> Spend:
        """The sum of all open reservations."""
        return Spend(**{limit: sum(getattr(held, limit) for held in self.open.values()) for limit in LIMITS})

    @property
    def remaining(self) -> Spend:
        """What can still be reserved of each limit."""
        whole = Spend(**{limit: getattr(self.budget, limit) for limit in LIMITS})
        return whole.less(self.settled + self.reserved)

    def shortfall(self, worst: Spend, now: datetime) -> str | None:
        """The limit that would be broken if `worst` were reserved now, as a field name; None where it is affordable."""
        if self.budget.until is not None and now >= self.budget.until:
            return "until"
        return (self.settled + self.reserved + worst).exceeds(self.budget)

    def reserve(self, attempt: str, worst: Spend) -> Self:
        """Set the worst case of an attempt aside. Call it only where `shortfall` is None."""
        if attempt in self.open:
            raise ValueError(f"attempt {attempt!r} is reserved already")
        return self.model_copy(update={"open": {**self.open, attempt: worst}})

    def settle(self, attempt: str, spent: Spend) -> Self:
        """Replace an attempt's reservation by what it really cost. Unknown attempts are ignored: they were settled."""
        if attempt not in self.open:
            return self
        rest = {name: worst for name, worst in self.open.items() if name != attempt}
        return self.model_copy(update={"open": rest, "settled": self.settled + spent})

    def settle_part(self, attempt: str, at_least: Spend) -> Self:
        """Of an attempt that was cut off, settle what it is known to have cost; the rest of it stays reserved."""
        if attempt not in self.open:
            return self
        known = self.open[attempt].less(self.open[attempt].less(at_least))
        rest = {**self.open, attempt: self.open[attempt].less(known)}
        return self.model_copy(update={"open": rest, "settled": self.settled + known})

    def give_back(self, child: str, settled: Spend, unknown: Spend) -> Self:
        """A child has ended: settle what it spent, keep what it does not know of reserved, and free the rest.

        Raises `ValueError` where the child used more than its part: nothing may be settled that was never reserved.
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
    """What the account of a run holds: all that its executions were ever charged, before a reset as well.

    `settled <= bill <= settled + reserved` holds for the whole run.
    """

    settled: Spend = Spend()
    reserved: Spend = Spend()
    """What attempts of unknown outcome may have cost at most, on top of it."""

    def after(self, known: "Charged | None") -> "Charged":
        """The newer of the two: an account's settled amounts only grow, and replies may come in any order."""
        return self if known is None or known.settled.less(self.settled) == NOTHING else known

    def beyond(self, allowance: Allowance) -> Self | None:
        """It, where it holds more than this execution knows of; else None: then the figures are the same."""
        own, held = allowance.settled, allowance.reserved
        more = self.settled.less(own) + (self.settled + self.reserved).less(own + held)
        return None if more == NOTHING else self
