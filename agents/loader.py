"""Reads chain specs from TOML files, and says which file, key and remedy where one cannot be used."""

import hashlib
import json
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agents.prompt import Choice, frame, render_choices
from perdure.contracts.contract import Name, explain
from perdure.contracts.guards import DEADLINE, LONGEST_DEADLINE, GuardAction, GuardSpec, OnFailure
from perdure.contracts.spec import ChainSpec, ScreeningOrder
from perdure.contracts.text import Text


class BadSpec(ValueError):
    """A spec file cannot be used, or there is none by that name. The message is one line."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ExampleFile(_Strict):
    """One worked example: sentences, the parts of a question, and the right choice for each part."""

    sentences: list[str] = Field(min_length=1)
    parts: list[str] = Field(min_length=1)
    sources: list[int]
    answers: list[str]


class GuardFile(_Strict):
    """One guard, as a TOML file asks for it."""

    guard: str
    action: GuardAction = GuardAction.BLOCK
    arguments: dict[str, Any] = Field(default_factory=dict[str, Any])
    deadline: timedelta = Field(default=DEADLINE, gt=timedelta(0), le=LONGEST_DEADLINE)
    """In seconds."""
    on_failure: OnFailure = OnFailure.CLOSED


class ChainFile(_Strict):
    """A chain's TOML file."""

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


@dataclass(frozen=True)
class Specs:
    """The specs in a folder, read again when a file changes: running runs have pinned theirs."""

    folder: Path

    def names(self) -> list[str]:
        """The chains that exist."""
        return sorted(path.stem for path in self.folder.glob("*.toml"))

    def chain(self, name: str) -> ChainSpec:
        """The chain of this name. Raises `BadSpec`."""
        path = self.folder / f"{name}.toml"
        try:
            seen = path.stat()
        except FileNotFoundError:
            known = ", ".join(self.names()) or "none"
            raise BadSpec(f"there is no chain {name!r}: the chains in {self.folder.name}/ are {known}") from None
        return _read(name, path, seen.st_mtime_ns, seen.st_size)

    def guards(self) -> set[str]:
        """The guards that the chains name. A chain that cannot be used names none."""
        found: set[str] = set()
        for name in self.names():
            with suppress(BadSpec):
                spec = self.chain(name)
                found |= {guard.guard for guard in (*spec.screen, *spec.check)}
        return found


@lru_cache(maxsize=128)
def _read(name: str, path: Path, _changed: int, _size: int) -> ChainSpec:
    """The chain as it is in the file now: an edit changes the file's time or its size, and so is not missed."""
    return parse_chain(name, path.read_bytes())


def parse_chain(name: str, data: bytes) -> ChainSpec:
    """A chain from the bytes of its TOML file. Raises `BadSpec` with file, key and remedy."""
    where = f"agents/{name}.toml"
    try:
        file = ChainFile.model_validate(tomllib.loads(data.decode()))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSpec(f"{where} is not TOML: {error}") from None
    except ValidationError as error:
        known = ", ".join(ChainFile.model_fields)
        raise BadSpec(f"{where}: {explain(error)}; the keys are {known}") from None
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
        screen=tuple(_guards(file.screen)),
        check=tuple(_guards(file.check)),
    )


def _guards(guards: list[GuardFile]) -> list[GuardSpec]:
    return [
        GuardSpec(
            guard=guard.guard,
            action=guard.action,
            arguments=guard.arguments,
            deadline=guard.deadline,
            on_failure=guard.on_failure,
        )
        for guard in guards
    ]


def _instructions(where: str, file: ChainFile) -> str:
    """The fixed beginning of every prompt: the system message, then the worked examples, as JSON messages."""
    messages = [{"role": "system", "content": file.system.strip()}]
    for number, example in enumerate(file.examples, start=1):
        if not len(example.parts) == len(example.sources) == len(example.answers):
            raise BadSpec(f"{where}: examples.{number}: give one source and one answer for each part")
        choices = [Choice(source, answer) for source, answer in zip(example.sources, example.answers, strict=True)]
        messages.append({"role": "user", "content": frame(example.sentences, example.parts)})
        messages.append({"role": "assistant", "content": render_choices(choices)})
    return json.dumps(messages, ensure_ascii=False)
