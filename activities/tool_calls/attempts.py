"""One attempt of a call of a tool: what it needs, and what came of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from temporalio import activity

from activities.ports import EffectLedger
from activities.tool_calls.outcomes import intended
from perdure.contracts.agents.agent import AgentSpec
from perdure.contracts.agents.steps import Act, Again, AskPerson
from perdure.contracts.budget import Spend
from perdure.contracts.chains.steps import StepKey
from perdure.contracts.guards import Verdict
from perdure.contracts.tool_calls.ledger import Happening, IntendedCall
from perdure.contracts.tool_calls.outcome import ToolOutcome
from perdure.contracts.tool_calls.tools import ToolSpec
from tools.base import ToolContext

Contexts = Callable[[StepKey, AgentSpec], ToolContext]
"""Makes the world that a call gets to see."""


@dataclass(frozen=True)
class Attempted:
    """What came of one attempt."""

    came: ToolOutcome | Again | AskPerson
    charges: dict[int, Spend] | None = None
    """What attempts are known to have cost; None for a call that was answered without being made."""
    verdicts: tuple[Verdict, ...] = ()
    stopped: bool = False
    """Whether it was called off while it ran."""


@dataclass(frozen=True)
class Call:
    """One attempt of a call that can be made, as far as its arguments go."""

    ask: Act
    spec: AgentSpec
    tool: ToolSpec
    arguments: str
    contexts: Contexts
    until: float
    """When its activity's time is over, by `call_times.elapsed`."""

    @property
    def key(self) -> StepKey:
        """Of the call: the same for all attempts."""
        return self.ask.key

    @property
    def attempt(self) -> int:
        """Its number."""
        return self.ask.attempt

    @property
    def intended(self) -> IntendedCall:
        """As the ledger knows it."""
        return intended(self.tool, self.ask.arguments)

    def context(self, attempt: int) -> ToolContext:
        """The world as an attempt of this call gets to see it."""
        return replace(self.contexts(self.key, self.spec), attempt=attempt)

    @property
    def price(self) -> Spend:
        """What it costs once it is made."""
        return price(self.tool)


async def charges_of(ledger: EffectLedger, ask: Act, tool: ToolSpec) -> dict[int, Spend]:
    """What every attempt so far has cost: those that were allowed to call their price, the others nothing."""
    record = await ledger.look(ask.key)
    events = () if record is None else record.events
    called = {event.attempt for event in events if event.happening is Happening.INTENDED}
    return {n: price(tool) if n in called else Spend() for n in range(1, ask.attempt + 1)}


def price(tool: ToolSpec) -> Spend:
    """What a call costs once it is made."""
    return Spend(tool_calls=1, micro_dollars=tool.price)


def cancelled_on_purpose() -> bool:
    """Whether the run asked for the cancellation, and not a worker that stops."""
    details = activity.cancellation_details()
    return details is not None and details.cancel_requested
