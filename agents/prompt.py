"""How a question and its sources become a prompt, and how the model's choice becomes an answer. Pure functions.

A small model quotes badly but points well: sources are numbered sentences, the model names the number it answers
from before it answers, and the quote is cut from the recorded passage by code.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from pydantic_core import from_json

NOT_STATED = 0
"""The source number with which the model says that no sentence answers the question."""


@dataclass(frozen=True)
class Choice:
    """What the model chose for one part of the question."""

    source: int
    """The number of the sentence that it answers from, from 1; `NOT_STATED` for none."""
    answer: str


def frame(sentences: Sequence[str], parts: Sequence[str]) -> str:
    """The user's message: numbered sentences, then the parts of the question."""
    numbered = "\n".join(f"[{number}] {sentence}" for number, sentence in enumerate(sentences, start=1))
    asked = "\n".join(f"Question {number}: {part}" for number, part in enumerate(parts, start=1))
    return f"Sentences:\n{numbered}\n\n{asked}"


def reply_schema(sentences: int, parts: int) -> dict[str, Any]:
    """The JSON schema that holds the model to one choice for each part, the source before the answer."""
    choice = {
        "type": "object",
        "properties": {
            "source": {"type": "integer", "enum": list(range(NOT_STATED, sentences + 1))},
            "answer": {"type": "string"},
        },
        "required": ["source", "answer"],
        "additionalProperties": False,
    }
    keys = [str(number) for number in range(1, parts + 1)]
    return {
        "type": "object",
        "properties": dict.fromkeys(keys, choice),
        "required": keys,
        "additionalProperties": False,
    }


def render_choices(choices: Sequence[Choice]) -> str:
    """The assistant's message that makes these choices, for worked examples."""
    return json.dumps(
        {str(n): {"source": choice.source, "answer": choice.answer} for n, choice in enumerate(choices, start=1)}
    )


def read_choices(content: str, *, sentences: int, parts: int) -> list[Choice]:
    """The choices in a model's reply. Raises `ValueError`, which says what of it is not what the schema asks for."""
    try:
        reply = json.loads(content)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error}") from None
    choices: list[Choice] = []
    for number in range(1, parts + 1):
        try:
            choice = reply[str(number)]
            source, answer = int(choice["source"]), str(choice["answer"])
        except (KeyError, TypeError, ValueError):
            raise ValueError(f'question {number} has no {{"source": number, "answer": text}}') from None
        if not NOT_STATED <= source <= sentences:
            raise ValueError(f"source {source} is not among the {sentences} sentences")
        choices.append(Choice(source, answer.strip()))
    return choices


def answers_so_far(content: str) -> str:
    """The answers in a reply that is still being written, as far as they go; each call's text begins with the last's.

    They are what the model says, for people who wait: what holds is the checked answer.
    """
    try:
        reply = from_json(content, allow_partial="trailing-strings")
    except ValueError:
        return ""
    if not isinstance(reply, dict):
        return ""
    choices = [
        cast("dict[str, Any]", each) for each in cast("dict[str, Any]", reply).values() if isinstance(each, dict)
    ]
    answers = [choice.get("answer") for choice in choices]
    return " ".join(answer for answer in answers if isinstance(answer, str))


def ask_again(said: str, problems: Sequence[str]) -> list[tuple[str, str]]:
    """What follows the prompt when a reply has to be repaired: the reply, and what is wrong with it."""
    listed = "\n".join(f"- {problem}" for problem in problems)
    return [
        ("assistant", said),
        ("user", f"That reply cannot be used:\n{listed}\nReply again, to the same questions, without these mistakes."),
    ]
