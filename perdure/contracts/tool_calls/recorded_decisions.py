"""What stands in the ledger of decisions: who said what about a step of a run, and when people began to be asked."""

from pydantic import AwareDatetime, Field

from perdure.contracts.contract import Contract, Digest
from perdure.contracts.tool_calls.decisions import Ruling


class RecordedDecision(Contract):
    """One decision that counts, or the moment from which a call waits for one. Nothing is ever taken out or changed."""

    ruling: Ruling | None = None
    """None: nobody has said anything yet: the call begins to wait."""
    decision_id: str = ""
    content: Digest
    """Of all that the decision says; of what is asked, where nobody has spoken yet."""
    by: str = ""
    verified: bool = False
    """Whether a credential says that it is them."""
    groups: tuple[str, ...] = ()
    """The groups that the credential says they are in."""
    lapsed: bool = False
    """Whether nobody spoke in time, and the policy did."""
    escalations: int = Field(default=0, ge=0)
    """How often others had been allowed to decide as well, by the database's clock."""
    binding: Digest
    """Of what was seen: the run, the step, the tool, the arguments, the policy."""
    tool: str
    tool_digest: Digest
    arguments: Digest
    """Of what is decided about: of the edited arguments, where there are such."""
    policy: Digest
    asked_at: AwareDatetime | None = None
    """From when on people were asked, by the database's clock, where a policy decides."""
    at: AwareDatetime | None = None
    """When it was written down, by the database's clock."""

    def same_as(self, other: "RecordedDecision") -> bool:
        """Whether both are one decision, or one asking."""
        return _identity(self) == _identity(other)


def _identity(one: RecordedDecision) -> tuple[object, ...]:
    return one.ruling, one.decision_id, one.content, one.lapsed, one.binding, one.asked_at
