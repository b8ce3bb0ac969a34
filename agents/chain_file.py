"""Defines the keys of a chain's TOML file, and parses a file into a `ChainSpec`."""

import hashlib
import json
from datetime import timedelta
from typing import Literal

from pydantic import Field

from agents.prompt import Choice, frame, render_choices
from agents.spec_file import BadSpec, GuardFile, Table, guards, read_toml, validated
from perdure.contracts.chains.spec import ChainSpec, ScreeningOrder
from perdure.contracts.contract import Name
from perdure.contracts.text import Text


class ExampleFile(Table):
    """One worked example: sentences, the parts of a question, and the right choice for each part."""

    sentences: list[str] = Field(min_length=1)
    parts: list[str] = Field(min_length=1)
    sources: list[int]
    answers: list[str]


class ChainFile(Table):
    """A chain's TOML file."""

    kind: Literal["chain"] = "chain"
    collection: Name
    tier: Name = "fast"
    system: str = Field(min_length=1)
    passages: int = Field(default=3, ge=1, le=20)
    sentences: int = Field(default=4, ge=1, le=50)
    sentence_margin: float = Field(default=1.0, ge=0, le=2)
    minimum_relevance: float = Field(default=0.0, ge=-1, le=1)
    max_output_tokens: int = Field(default=200, ge=1)
    attempts: int = Field(default=3, ge=1, le=10)
    wait: float = Field(default=1.0, ge=0, le=60)
    repairs: int = Field(default=1, ge=0, le=5)
    screening: ScreeningOrder = ScreeningOrder.BESIDE
    examples: list[ExampleFile] = Field(default_factory=list[ExampleFile])
    screen: list[GuardFile] = Field(default_factory=list[GuardFile])
    check: list[GuardFile] = Field(default_factory=list[GuardFile])


def parse_chain(name: str, data: bytes, where: str | None = None) -> ChainSpec:
    """Parse a chain from the bytes of its TOML file. Raises `BadSpec` with file (`where`), key and remedy."""
    where = where or f"agents/{name}.toml"
    file = validated(where, ChainFile, read_toml(where, data))
    return ChainSpec(
        name=name,
        digest=hashlib.sha256(data).hexdigest(),
        collection=file.collection,
        tier=file.tier,
        instructions=Text.of(_instructions(where, file)),
        passages=file.passages,
        sentences=file.sentences,
        sentence_margin=file.sentence_margin,
        minimum_relevance=file.minimum_relevance,
        max_output_tokens=file.max_output_tokens,
        attempts=file.attempts,
        wait=timedelta(seconds=file.wait),
        repairs=file.repairs,
        screening=file.screening,
        screen=guards(file.screen),
        check=guards(file.check),
    )


def _instructions(where: str, file: ChainFile) -> str:
    """Return the fixed beginning of every prompt as JSON messages: the system message, then the worked examples."""
    messages = [{"role": "system", "content": file.system.strip()}]
    for number, example in enumerate(file.examples, start=1):
        if not len(example.parts) == len(example.sources) == len(example.answers):
            raise BadSpec(f"{where}: examples.{number}: give one source and one answer for each part")
        choices = [Choice(source, answer) for source, answer in zip(example.sources, example.answers, strict=True)]
        messages.append({"role": "user", "content": frame(example.sentences, example.parts)})
        messages.append({"role": "assistant", "content": render_choices(choices)})
    return json.dumps(messages, ensure_ascii=False)
