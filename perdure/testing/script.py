"""Scripts for the stub model, inside the task itself: one stub can serve any number of runs.

`Script.of("refund-1", [calls(("create_ticket", {...})), answer("Done.")]).task("Open a ticket.")` is a task for an
agent. The stub finds the script in the conversation and counts the model's turns after it. So it stores no
conversation, and a repeated call gets the same reply.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from perdure.contracts.contract import BadInput, explain

__all__ = ["Script", "ScriptedCall", "Turn", "answer", "calls", "find_script"]

MARK = re.compile(r'\{\s*"stub"\s*:')
"""The beginning of a script within a message."""

OVERLOADED = 503
"""The default status of a turn that fails: a server that did not start the call, and bills nothing."""


class _Line(BaseModel):
    """The base of a script's parts. Scripts are written by hand too, so unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ScriptedCall(_Line):
    """A tool call that the model asks for."""

    name: str
    arguments: dict[str, JsonValue] = Field(default_factory=dict[str, JsonValue])


class Turn(_Line):
    """One turn of the model: tool calls, or an answer."""

    calls: tuple[ScriptedCall, ...] = ()
    answer: str | None = None
    fails: int | None = Field(default=None, ge=0)
    """The number of first calls of this turn that fail. None: all fail if `status` or `drop` is set, otherwise none
    does."""
    status: int | None = Field(default=None, ge=400, le=599)
    """The HTTP status of the failing calls: 503 if left out. A refused call is not billed."""
    drop: bool = False
    """Whether failing calls lose their connection instead: such a call is billed, and its caller never learns the
    result."""
    pause: float = Field(default=0, ge=0)
    """The seconds between the bill and the reply. Callers can be killed in this time."""
    input_tokens: int | None = Field(default=None, ge=0)
    """The billed tokens of the prompt; None for a quarter of its bytes."""
    output_tokens: int | None = Field(default=None, ge=0)
    """The billed tokens of the reply, at most what the request allows; None for a quarter of its bytes."""

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if bool(self.calls) == (self.answer is not None):
            raise ValueError("a turn is either calls of tools or an answer: give one of the two")
        if self.drop and self.status is not None:
            raise ValueError("a call that fails is refused with a status or dropped: give one of the two")
        return self

    def fails_with(self, attempt: int) -> int | None:
        """Return the status that refuses this attempt; 0 where it is dropped, None where it is answered."""
        failing = self.fails is not None or self.status is not None or self.drop
        if not failing or (self.fails is not None and attempt > self.fails):
            return None
        return 0 if self.drop else self.status or OVERLOADED


class Script(_Line):
    """The model's turns in one run."""

    run: str = Field(min_length=1, max_length=200)
    """The run's name in the bill. Two runs with the same name share their failures and their bill."""
    turns: tuple[Turn, ...] = Field(min_length=1)

    @classmethod
    def of(cls, run: str, turns: Sequence[Turn]) -> Self:
        """Build a script. Raises `BadInput` with all that is wrong with it."""
        try:
            return cls(run=run, turns=tuple(turns))
        except ValidationError as error:
            raise BadInput(f"the script of {run!r}: {explain(error)}") from None

    def task(self, words: str = "Do what the script says.") -> str:
        """Return the task for an agent: words for people, and the script for the stub."""
        return f"{words}\n\n{json.dumps({'stub': self.model_dump(mode='json', exclude_defaults=True)})}"


def calls(*requested: tuple[str, Mapping[str, JsonValue]], **how: float | bool) -> Turn:
    """Build a turn in which the model asks for tools, all at once: `calls(("calculator", {"expression": "6 * 7"}))`.

    `how` sets the other fields of `Turn`.
    """
    return _turn(
        {"calls": tuple(ScriptedCall(name=name, arguments=dict(arguments)) for name, arguments in requested), **how}
    )


def answer(text: str, **how: float | bool) -> Turn:
    """Build a turn in which the model answers. `how` sets the other fields of `Turn`: `answer("Done.", fails=2)`."""
    return _turn({"answer": text, **how})


def find_script(text: str) -> Script | None:
    """Return the script in a message, whatever text surrounds it; None where there is none. Raises `BadInput`."""
    start = MARK.search(text)
    if start is None:
        return None
    try:
        value, _ = json.JSONDecoder().raw_decode(text, start.start())
        return Script.model_validate(value["stub"])
    except ValidationError as error:
        raise BadInput(f"the script in the task: {explain(error)}") from None
    except ValueError as error:
        raise BadInput(f"the script in the task is not JSON: {error}") from None


def _turn(fields: Mapping[str, object]) -> Turn:
    try:
        return Turn.model_validate(fields)
    except ValidationError as error:
        raise BadInput(f"a turn of a script: {explain(error)}") from None
