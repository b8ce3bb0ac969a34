"""A catalogue with one more guard, which ends as its text says, in the process of that guard."""

import time
from typing import Any, cast

from guardrails import validator_base
from guardrails.validator_base import PassResult, ValidationResult, Validator

from activities.adapters.guards.guardrails_catalogue import GUARDS, Guard
from agents.guard_arguments import NoArguments

SECRET_WORD = "aubergine"  # noqa: S105 - a word
"""A word of a checked text that no reason and no log may hold."""

_register = cast("Any", validator_base).register_validator


@_register(name="perdure/ending", data_type="string")
class Ending(Validator):
    """A validator that ends as its text says."""

    def validate(self, value: Any, metadata: dict[str, Any]) -> ValidationResult:
        taken: list[bytearray] = []
        while value.startswith("hang"):
            time.sleep(1)
        while value.startswith("eat"):
            taken.append(bytearray(b"x" * (8 << 20)))
        if value.startswith("break"):
            raise ValueError(SECRET_WORD)
        return PassResult()


PLANTED: dict[str, Guard] = {**GUARDS, "ending": Guard(lambda _: Ending(), NoArguments, lambda _, __, message: message)}
