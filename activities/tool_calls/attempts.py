"""One attempt of a tool call: what it needs, and its result."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from temporalio import activity

from activities.ports import EffectLedger
from activities.tool_calls.outcomes import intended
from perdure.contracts.agents.agent import AgentSpec
from perdure.contracts.agents.steps import Act, Again, AskPerson, Unproven
from perdure.contracts.budget import Spend
from perdure.contracts.chains.steps import StepKey
from perdure.contracts.guards import Verdict
from perdure.contracts.tool_calls.ledger import Happening, IntendedCall
from perdure.contracts.tool_calls.outcome import ToolOutcome
from perdure.contracts.tool_calls.tools import ToolSpec
from tools.base import ToolContext

Contexts = Callable[[StepKey, AgentSpec], ToolContext]
"""Makes the context that a tool is given for a call."""


@dataclass(frozen=True)
class Attempted:
    """The result of one attempt, before anything of it is stored."""

    result: ToolOutcome | Again | AskPerson | Unproven
    charges: dict[int, Spend] | None = None
    """The known cost of each attempt; None for a call that was answered without being made."""
    verdicts: tuple[Verdict, ...] = ()
    stopped: bool = False
    """Whether it was called off while it ran."""
    free: bool = False
    """Whether the call may be repeated for nothing: its tool only reads and has no price."""
    arguments: str | None = None
    """The call's arguments, for a person who has to look at them; None if they were not read."""


@dataclass(frozen=True)
class Call:
    """One attempt of a call to a granted tool, with its arguments as text."""

    ask: Act
    spec: AgentSpec
    tool: ToolSpec
    arguments: str
    contexts: Contexts
    until: float
    """The end of its activity's time, by the clock of `elapsed.elapsed`."""

    @property
    def key(self) -> StepKey:
        """The call's key, the same for all attempts."""
        return self.ask.key

    @property
    def attempt(self) -> int:
        """The attempt's number."""
        return self.ask.attempt

    @property
    def intended(self) -> IntendedCall:
        """The call as the ledger records it."""
        return intended(self.tool, self.ask.arguments)

    def context(self, attempt: int) -> ToolContext:
        """Return the context that the tool is given for an attempt of this call."""
        return replace(self.contexts(self.key, self.spec), attempt=attempt)

    @property
    def price(self) -> Spend:
        """The price of one call of the tool."""
        return price(self.tool)


async def charges_of(ledger: EffectLedger, ask: Act, tool: ToolSpec) -> dict[int, Spend]:
    """Return the cost of every attempt so far: the price for those that were allowed to call, else nothing."""
    record = await ledger.look(ask.key)
    events = () if record is None else record.events
    called = {event.attempt for event in events if event.happening is Happening.INTENDED}
    return {n: price(tool) if n in called else Spend() for n in range(1, ask.attempt + 1)}


def price(tool: ToolSpec) -> Spend:
    """Return the price of one call of a tool."""
    return Spend(tool_calls=1, micro_dollars=tool.price)


def cancelled_on_purpose() -> bool:
    """Return whether the run asked for the cancellation; False if the worker is stopping."""
    details = activity.cancellation_details()
    return details is not None and details.cancel_requested
