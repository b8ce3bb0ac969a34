"""Builds the prompt of a question and its sources, and reads the choices in the model's reply. Pure functions.

A small model quotes badly but points well. So the sources are numbered sentences, the model names the number of its
sentence before it answers, and code cuts the quote from the recorded passage.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from pydantic_core import from_json

NOT_STATED = 0
"""The source number of a question that no sentence answers."""


@dataclass(frozen=True)
class Choice:
    """The model's choice for one part of the question."""

    source: int
    """The number of the sentence that has the answer, from 1; `NOT_STATED` for none."""
    answer: str


def frame(sentences: Sequence[str], parts: Sequence[str]) -> str:
    """Return the user's message: numbered sentences, then the parts of the question."""
    numbered = "\n".join(f"[{number}] {sentence}" for number, sentence in enumerate(sentences, start=1))
    questions = "\n".join(f"Question {number}: {part}" for number, part in enumerate(parts, start=1))
    return f"Sentences:\n{numbered}\n\n{questions}"


def reply_schema(sentences: int, parts: int) -> dict[str, Any]:
    """Return the JSON schema of a reply: one choice for each part, the source before the answer."""
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
    """Return the reply of a worked example: these choices."""
    return json.dumps(
        {str(n): {"source": choice.source, "answer": choice.answer} for n, choice in enumerate(choices, start=1)}
    )


def read_choices(content: str, *, sentences: int, parts: int) -> list[Choice]:
    """Parse the choices in a model's reply. Raises `ValueError`, which says where it breaks the schema."""
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
    """Return the answers in a partial reply as far as they go. As the reply grows, the text only grows at its end.

    They are unchecked, for people who wait: only the checked answer counts.
    """
    try:
        reply = from_json(content, allow_partial="trailing-strings")
    except ValueError:
        return ""
    if not isinstance(reply, dict):
        return ""
    choices = [
        cast("dict[str, Any]", choice) for choice in cast("dict[str, Any]", reply).values() if isinstance(choice, dict)
    ]
    answers = [choice.get("answer") for choice in choices]
    return " ".join(answer for answer in answers if isinstance(answer, str))


def ask_again(reply: str, problems: Sequence[str]) -> list[tuple[str, str]]:
    """Return the messages that ask for a repair: the bad reply, then its problems."""
    listed = "\n".join(f"- {problem}" for problem in problems)
    return [
        ("assistant", reply),
        ("user", f"That reply cannot be used:\n{listed}\nReply again, to the same questions, without these mistakes."),
    ]
