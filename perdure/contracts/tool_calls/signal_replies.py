"""The reply to a decision that came as a signal, as a run writes it into its memo and so into its history."""

from typing import ClassVar

from pydantic import Field

from perdure.contracts.contract import Contract
from perdure.contracts.tool_calls.decisions import Ruling
from perdure.contracts.tool_calls.rejections import RejectionCause

MEMO = "last_signalled_decision"
"""The memo's key. The newest reply stands in the memo, and each of them in the history."""


class SignalReply(Contract):
    """The reply to one signal."""

    spelled_out: ClassVar[bool] = True

    number: int = Field(ge=1)
    """The number of the signal `decide` in its execution, from 1."""
    step: str = ""
    """The step that the decision names; empty where the signal held no decision."""
    ruling: Ruling | None = None
    by: str = ""
    accepted: bool
    reason: str = ""
    """Why the decision does not count; empty where it does."""
    cause: RejectionCause | None = None
