"""The ledger of decisions: who decided what about a step of a run, and when people were first asked."""

from pydantic import AwareDatetime, Field

from perdure.contracts.contract import Contract, Digest
from perdure.contracts.tool_calls.decisions import Ruling


class RecordedDecision(Contract):
    """A decision that counts, or the moment from which a call waits for one. Entries are never changed or removed."""

    ruling: Ruling | None = None
    """The ruling; None where the call only begins to wait for one."""
    decision_id: str = ""
    """The sender's own id for the decision; empty where nobody has decided yet."""
    content: Digest
    """The digest of the whole decision, or of the question where nobody has decided yet."""
    by: str = ""
    """The person who decided; empty where nobody has."""
    verified: bool = False
    """Whether a credential proves who decided."""
    groups: tuple[str, ...] = ()
    """The person's groups, as the credential names them."""
    lapsed: bool = False
    """Whether the policy decided, because no person did in time."""
    escalations: int = Field(default=0, ge=0)
    """The number of escalations by then, by the database's clock."""
    binding: Digest
    """The digest of what the person saw: the run, the step, the tool, the arguments and the policy."""
    tool: str
    """The tool's name."""
    tool_digest: Digest
    """The edition of the tool."""
    arguments: Digest
    """The digest of the arguments that are decided about: of the edited ones, where the decision edits them."""
    policy: Digest
    """The digest of the approval policy."""
    asked_at: AwareDatetime | None = None
    """The moment from which people were asked, by the database's clock; None where no policy decides."""
    at: AwareDatetime | None = None
    """The moment of the record, by the database's clock; None before it is stored."""

    def same_as(self, other: "RecordedDecision") -> bool:
        """Return whether both are the same decision, or the same question."""
        return _identity(self) == _identity(other)


def _identity(decision: RecordedDecision) -> tuple[object, ...]:
    return decision.ruling, decision.decision_id, decision.content, decision.lapsed, decision.binding, decision.asked_at
