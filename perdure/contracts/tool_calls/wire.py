"""Reads a decision as any Temporal client sent it, and says in one line what is wrong with one that is none."""

from typing import Any

from pydantic import ValidationError

from perdure.contracts.contract import BadInput
from perdure.contracts.tool_calls.decisions import StepDecision

SHOWN = 600
"""Characters of what is wrong."""


def read_decision(said: Any) -> StepDecision:
    """The decision that a payload holds. Raises `BadInput`, in whose words no value stands: one may be a credential."""
    if not isinstance(said, dict):
        kind = type(said).__name__
        raise BadInput(f"a decision is one JSON object with decision_id, step, digest, ruling and by: this is a {kind}")
    try:
        return StepDecision.model_validate(said, strict=False)
    except ValidationError as error:
        found = (
            f"{'.'.join(str(step) for step in problem['loc']) or 'decision'}: "
            f"{problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors(include_url=False, include_context=False, include_input=False)
        )
        raise BadInput("; ".join(found)[:SHOWN]) from None
