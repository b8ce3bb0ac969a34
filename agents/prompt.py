"""How a question and its sources become a prompt, and how the model's choice becomes an answer. Pure functions.

A small model quotes badly but points well: sources are numbered sentences, the model names the number it answers
from before it answers, and the quote is cut from the recorded passage by code.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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
    """The choices in a model's reply. Raises `ValueError` where it is not what the schema asks for."""
    reply = json.loads(content)
    choices: list[Choice] = []
    for number in range(1, parts + 1):
        choice = reply[str(number)]
        source = int(choice["source"])
        if not NOT_STATED <= source <= sentences:
            raise ValueError(f"source {source} is not among the {sentences} sentences")
        choices.append(Choice(source, str(choice["answer"]).strip()))
    return choices
