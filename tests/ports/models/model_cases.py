"""Shared equipment of the tests of the model port: a catalogue in a file, prompts, and a listener."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from activities.adapters.model_servers.catalogue import CatalogueFile
from activities.adapters.models.litellm_model import LiteLLMModel
from activities.ports import Caller, Message, PortError, Prompt, Sampling, ToolSchema, Usage

OnPiece = list[tuple[str, Usage | None]]

STREAMS = pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])

ASK = Prompt([Message("system", "You are terse."), Message("user", "Say something about the sea.")])
FEW = Sampling(max_output_tokens=64)
ME = Caller(tenant="acme", request_id="run-1-generate-1", priority=2)

COLOUR = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "green", "blue"]}},
    "required": ["colour"],
    "additionalProperties": False,
}


def with_one_text(name: str, does: str, argument: str, longest: int) -> ToolSchema:
    """A tool with one argument, which is a text of so many characters at most."""
    return ToolSchema(
        name,
        does,
        {
            "type": "object",
            "properties": {argument: {"type": "string", "maxLength": longest}},
            "required": [argument],
            "additionalProperties": False,
        },
    )


CALCULATOR = with_one_text("calculator", "Work out arithmetic exactly.", "expression", 40)
LOOK_UP = with_one_text("look_up", "Look a word up.", "word", 20)


def catalogue(folder: Path, endpoint: str, *, model: str = "stub", **extra: Any) -> CatalogueFile:
    """Write a catalogue with one deployment, `fast`; `extra` adds lines to its table or replaces keys."""
    lines = {
        "model": f'"{model}"',
        "provider": '"hosted_vllm"',
        "endpoint": f'"{endpoint}"',
        "context_window": "4096",
        "concurrency": "2",
        "prices": "{ input = 1, output = 2 }",
        "capabilities": '{ tools = "native", json_schema = true, logprobs = true }',
        **extra,
    }
    path = folder / "catalogue.toml"
    table = "\n".join(f"{key} = {value}" for key, value in lines.items())
    path.write_text(f'[tiers]\nfast = ["fast"]\n[deployments.fast]\n{table}\n')
    return CatalogueFile(path, {})


def model_for(folder: Path, endpoint: str, *, idle_seconds: float = 60, **extra: Any) -> LiteLLMModel:
    """Return a model port over that catalogue."""
    return LiteLLMModel(catalogue(folder, endpoint, **extra), timeout_seconds=30, idle_seconds=idle_seconds)


class Listener:
    """A listener that records the pieces of a reply."""

    def __init__(self) -> None:
        self.heard: OnPiece = []

    async def __call__(self, piece: str, usage: Usage | None) -> None:
        self.heard.append((piece, usage))

    @property
    def text(self) -> str:
        """All pieces together."""
        return "".join(piece for piece, _ in self.heard)

    @property
    def counts(self) -> list[int]:
        """The output tokens that were reported, in order."""
        return [usage.output_tokens or 0 for _, usage in self.heard if usage is not None]


async def failure_of(model: LiteLLMModel, *, streams: bool, prompt: Prompt = ASK) -> PortError:
    """Return the error that a call ends with, which must come soon."""
    with pytest.raises(PortError) as stopped:
        await asyncio.wait_for(model.complete("fast", prompt, FEW, ME, Listener() if streams else None), 10)
    assert str(stopped.value).startswith("fast: ")
    assert "\n" not in str(stopped.value)
    assert stopped.value.__suppress_context__ or stopped.value.__context__ is None, "nothing of a library's shows"
    return stopped.value
