"""The tool that asks a person a question: no code is called, the answer is the result."""

from collections.abc import Callable
from datetime import date
from math import isfinite
from typing import Any, Literal

from pydantic import Field

from perdure.contracts.contract import BadInput
from tools.base import ToolArguments, ToolContext, ToolEffect, tool
from tools.errors import ServiceRefused

LONGEST = 4000
"""The longest answer, in characters."""


class Question(ToolArguments):
    """What to ask."""

    question: str = Field(min_length=1, max_length=2000)
    """The question, with all that is needed to answer it."""
    answer: Literal["text", "number", "yes_no", "date"] = "text"
    """The kind of answer."""
    choices: list[str] = Field(default_factory=list[str], max_length=20)
    """The answers to choose from; none for any."""


@tool(ToolEffect.READ_ONLY, asks=True)
async def ask_person(_: ToolContext, question: Question) -> str:
    """Ask a person for what is missing and cannot be found. They may take days, so ask everything at once."""
    raise ServiceRefused(f"only a person can say: {question.question!r}: run it in an agent")


def answer_to(question: Question, answer: Any) -> str:
    """Return a person's answer as the model reads it. Raises `BadInput` for an answer of the wrong kind."""
    if question.choices:
        if answer not in question.choices:
            raise BadInput(f"answer: choose one of {', '.join(map(repr, question.choices))}")
        return str(answer)
    text = _READ[question.answer](answer)
    if text is None:
        raise BadInput(f"answer: {_REMEDY[question.answer]}")
    return text


def _text(answer: Any) -> str | None:
    return answer if isinstance(answer, str) and answer.strip() and len(answer) <= LONGEST else None


def _number(answer: Any) -> str | None:
    is_number = isinstance(answer, int | float) and not isinstance(answer, bool) and isfinite(answer)
    return str(answer) if is_number else None


def _yes_no(answer: Any) -> str | None:
    return ("yes" if answer else "no") if isinstance(answer, bool) else None


def _date(answer: Any) -> str | None:
    try:
        return date.fromisoformat(answer).isoformat()
    except (TypeError, ValueError):
        return None


_READ: dict[str, Callable[[Any], str | None]] = {"text": _text, "number": _number, "yes_no": _yes_no, "date": _date}
_REMEDY = {
    "text": f"say it in words, in up to {LONGEST:,} characters",
    "number": "say a number",
    "yes_no": "say true or false",
    "date": "say a date, such as 2026-11-24",
}
