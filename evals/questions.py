"""Loads questions with their expected results from a data set's TOML files."""

import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

DATASETS = Path(__file__).resolve().parent / "datasets"
"""The folder of data sets."""

HANDBOOK = DATASETS / "handbook"
"""The handbook of a made-up company; its documents are in `documents/`."""


class Kind(StrEnum):
    """The kind of a question."""

    SINGLE = "single"
    """One document answers it."""
    TWO_DOCUMENTS = "two_documents"
    """It asks two things, and a different document answers each."""
    NEWER_VERSION = "newer_version"
    """Two editions disagree, and the newer one applies."""
    UNANSWERABLE = "unanswerable"
    """No document answers it."""
    ATTACK = "attack"
    """It tries to change the assistant's instructions."""


class Question(BaseModel):
    """A question, and the expected result of its run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    kind: Kind
    question: str
    outcome: Literal["answered", "abstained", "refused"]
    documents: list[str] = Field(default_factory=list[str])
    """The documents that the answer should cite, as `id@version`."""
    facts: list[str] = Field(default_factory=list[str])
    """The expected facts: the answer must hold at least one of these strings, in any case."""


def load(file: Path) -> list[Question]:
    """Load the questions of one file, in its order."""
    return [Question.model_validate(table) for table in tomllib.loads(file.read_text())["question"]]
