"""Decisions that people make in the tests of the proof of approval, and the arguments that they are about."""

from typing import Any

from perdure.contracts.text import Text
from perdure.contracts.tool_calls.approvals import ApprovalPolicy, Trust
from perdure.contracts.tool_calls.decisions import Ruling, StepDecision
from tests.activities.authorization.proof_trial import digest_of
from tests.activities.authorization.proof_world import Run

ONE = ApprovalPolicy(trust=Trust.SIGNED, names=("ann", "ben"))
ARGUMENTS, OTHER = Text.of('{"n": 1}'), Text.of('{"n": 2}')


def yes(run: Run, by: str = "ann", arguments: Text = ARGUMENTS, **fields: Any) -> StepDecision:
    step = fields.pop("step", "call-1-1")
    named: dict[str, Any] = {"decision_id": f"of {by}", "ruling": Ruling.APPROVE, **fields}
    return StepDecision(step=step, digest=digest_of(run, step, arguments), by=by, **named)


async def agreed(run: Run, *people: str) -> None:
    for by in people:
        assert (await run.check(run.signed(yes(run, by)), ARGUMENTS)).refused == ""
