"""Replies of every dialect, drawn and cut anywhere, are read as they were written, and shown as they are saved."""

import json
import random
from pathlib import Path
from typing import cast

import pytest

from activities.adapters.model_replies.reader import ReplyReader
from activities.ports import Completion, FinishReason, Prompt, Usage
from tests.ports.models.model_cases import ASK, CALCULATOR, FEW, ME, Listener, model_for
from tests.support.sections import section
from tests.support.servers.dialects import DIALECTS, Dialect, Truth, drawn_truth, stream_bytes
from tests.support.servers.stub_model import StubModel

READ, SENT = 400, 30
"""The replies that are read from bytes, and those that come over HTTP through LiteLLM, in the ordinary tests."""

ALL_READ, ALL_SENT = 20_000, 600
"""The replies with `--chaos=all`."""


def drawn(seed: int, number: int) -> tuple[str, Dialect, Truth, random.Random]:
    """Draw a reply by its number, so that one that fails can be drawn again."""
    draw = random.Random(f"{seed}/{number}")  # noqa: S311 - no secret
    name = draw.choice(list(DIALECTS))
    return name, DIALECTS[name], drawn_truth(draw, DIALECTS[name]), draw


def reason_of(truth: Truth) -> FinishReason:
    if truth.refusal:
        return FinishReason.REFUSAL
    return FinishReason.LENGTH if truth.cut else FinishReason.TOOL_CALLS if truth.calls else FinishReason.STOP


def same_arguments(read: str, written: str) -> bool:
    """Whether arguments are the same text, or the same object where the server wrote it itself."""
    return read == written or json.loads(read) == json.loads(written)


def differences(truth: Truth, reply: ReplyReader | Completion) -> list[str]:
    """Return which parts of a reply are not read as they were written."""
    calls = [(call.name, call.arguments) for call in reply.tool_calls]
    same_calls = len(calls) == len(truth.calls) and all(
        name == written and same_arguments(arguments, text)
        for (name, arguments), (written, text) in zip(calls, truth.calls, strict=True)
    )
    parts = {
        "text": reply.content == truth.text,
        "calls": same_calls,
        "ids": len({call.id for call in reply.tool_calls}) == len(calls),
        "reasoning": reply.reasoning == truth.reasoning,
        "refusal": reply.refusal == truth.refusal,
        "reason": reply.finish_reason == reason_of(truth),
        "usage": reply.usage == Usage(truth.input_tokens, truth.output_tokens),
    }
    return [name for name, same in parts.items() if not same]


def test_a_reply_is_read_as_it_was_written_however_it_is_cut(request: pytest.FixtureRequest) -> None:
    seed, is_sample = _options(request)
    count = READ if is_sample else ALL_READ
    characters = calls = 0
    by_dialect = dict.fromkeys(DIALECTS, 0)
    for number in range(count):
        name, dialect, truth, draw = drawn(seed, number)
        streams = bool(draw.randint(0, 4))
        reader = ReplyReader(streams=streams)
        pieces = (
            stream_bytes(dialect.events(truth, draw), draw)
            if streams
            else [json.dumps(dialect.whole(truth, draw)).encode()]
        )
        heard = [piece.text for sent in pieces for piece in reader.add(sent)]
        heard += [piece.text for piece in reader.end()]
        which = f"--chaos-seed={seed}, number {number}, {name}: {truth}"
        assert differences(truth, reader) == [], which
        assert "".join(heard) == reader.content, which
        by_dialect[name] += 1
        characters += len(truth.text)
        calls += len(truth.calls)
    spread = ", ".join(f"{name} {number}" for name, number in by_dialect.items())
    figures = f"{count:,} replies read: {characters:,} characters and {calls:,} calls, none lost, all shown as saved"
    section(request.config, f"model replies: --chaos-seed={seed}", figures, spread)


async def test_a_reply_over_http_is_shown_and_saved_as_it_was_written(
    request: pytest.FixtureRequest, tmp_path: Path, stub: StubModel
) -> None:
    seed, is_sample = _options(request)
    models = {
        provider: model_for(tmp_path / provider, stub.url, provider=f'"{provider}"', capabilities=NATIVE)
        for provider in sorted({dialect.provider for dialect in DIALECTS.values()} - {"sglang"})
        if (tmp_path / provider).mkdir() is None
    }
    for number in range(SENT if is_sample else ALL_SENT):
        name, dialect, truth, draw = drawn(seed + 1, number)
        listener = Listener() if draw.randint(0, 4) else None
        stub.script = [{"dialect": name, "seed": number, **vars(truth)}]
        # SGLang is asked which models it serves; its dialect is vLLM's but for the reply, which is what is drawn here.
        model = models["hosted_vllm" if dialect.provider == "sglang" else dialect.provider]
        completion = await model.complete("fast", Prompt(ASK.messages, tools=[CALCULATOR]), FEW, ME, listener)
        which = f"--chaos-seed={seed}, number {number}, {name}: {truth}"
        assert differences(truth, completion) == [], which
        assert listener is None or listener.text == completion.content, which


NATIVE = '{ tools = "native" }'


def _options(request: pytest.FixtureRequest) -> tuple[int, bool]:
    return cast("int", request.config.getoption("chaos_seed")), request.config.getoption("chaos") == "sample"
