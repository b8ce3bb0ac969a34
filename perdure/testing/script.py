"""What the stub model says in one run: a script within the task itself, so that one stub serves any number of runs.

`Script.of("refund-1", [calls(("create_ticket", {...})), answer("Done.")]).task("Open a ticket.")` is a task for an
agent. The stub finds the script in the conversation and counts the model's own turns after it, so it remembers no
conversation, and a call that is made again gets the same reply.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from perdure.contracts.contract import BadInput, explain

__all__ = ["Script", "ScriptedCall", "Turn", "answer", "calls", "find_script"]

MARK = re.compile(r'\{\s*"stub"\s*:')
"""How a script begins, wherever it stands in a message."""

OVERLOADED = 503
"""The status of a turn that fails without saying how: a server that did not start, and that nobody pays."""


class _Line(BaseModel):
    """The base of what a script holds. It is written by hand too: unknown fields are mistakes."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ScriptedCall(_Line):
    """A tool that the model asks for."""

    name: str
    arguments: dict[str, JsonValue] = Field(default_factory=dict[str, JsonValue])


class Turn(_Line):
    """What the model says when it is its turn: calls of tools, or an answer."""

    calls: tuple[ScriptedCall, ...] = ()
    answer: str | None = None
    fails: int | None = Field(default=None, ge=0)
    """How many first calls of this turn fail; None for all of them, where `status` or `drop` say how."""
    status: int | None = Field(default=None, ge=400, le=599)
    """The status that they fail with: 503 if left out. A call that is refused so is not billed."""
    drop: bool = False
    """Whether the connection is closed without a word instead: the call is billed, and its caller never knows."""
    pause: float = Field(default=0, ge=0)
    """Seconds between the bill and the reply, in which callers can be killed."""
    input_tokens: int | None = Field(default=None, ge=0)
    """What is billed for the prompt; None for a quarter of its bytes."""
    output_tokens: int | None = Field(default=None, ge=0)
    """What is billed for the reply, at most what the request allows; None for a quarter of its bytes."""

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if bool(self.calls) == (self.answer is not None):
            raise ValueError("a turn is either calls of tools or an answer: give one of the two")
        if self.drop and self.status is not None:
            raise ValueError("a call that fails is refused with a status or dropped: give one of the two")
        return self

    def fails_with(self, attempt: int) -> int | None:
        """The status that this call of the turn is refused with, 0 for a dropped one; None where it is answered."""
        failing = self.fails is not None or self.status is not None or self.drop
        if not failing or (self.fails is not None and attempt > self.fails):
            return None
        return 0 if self.drop else self.status or OVERLOADED


class Script(_Line):
    """All that the model says in one run."""

    run: str = Field(min_length=1, max_length=200)
    """The name that the bill has for the run. Two runs with one name share their failures and their bill."""
    turns: tuple[Turn, ...] = Field(min_length=1)

    @classmethod
    def of(cls, run: str, turns: Sequence[Turn]) -> Self:
        """A script. Raises `BadInput` with what is wrong with it."""
        try:
            return cls(run=run, turns=tuple(turns))
        except ValidationError as error:
            raise BadInput(f"the script of {run!r}: {explain(error)}") from None

    def task(self, words: str = "Do what the script says.") -> str:
        """The task for an agent: words for people, and the script for the stub."""
        return f"{words}\n\n{json.dumps({'stub': self.model_dump(mode='json', exclude_defaults=True)})}"


def calls(*asked: tuple[str, Mapping[str, JsonValue]], **how: float | bool) -> Turn:
    """A turn in which the model asks for tools, all at once: `calls(("calculator", {"expression": "6 * 7"}))`."""
    return _turn({"calls": tuple(ScriptedCall(name=name, arguments=dict(given)) for name, given in asked), **how})


def answer(text: str, **how: float | bool) -> Turn:
    """A turn in which the model answers. `how` are the other fields of `Turn`: `answer("Done.", fails=2)`."""
    return _turn({"answer": text, **how})


def find_script(text: str) -> Script | None:
    """The script in a message, whatever stands around it; None where there is none. Raises `BadInput`."""
    start = MARK.search(text)
    if start is None:
        return None
    try:
        found, _ = json.JSONDecoder().raw_decode(text, start.start())
        return Script.model_validate(found["stub"])
    except ValidationError as error:
        raise BadInput(f"the script in the task: {explain(error)}") from None
    except ValueError as error:
        raise BadInput(f"the script in the task is not JSON: {error}") from None


def _turn(fields: Mapping[str, object]) -> Turn:
    try:
        return Turn.model_validate(fields)
    except ValidationError as error:
        raise BadInput(f"a turn of a script: {explain(error)}") from None
