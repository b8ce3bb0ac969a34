"""Shared equipment of the tests of SGLang: a model port over a stub of it, and a call that is cancelled."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from activities.adapters.models.litellm_model import LiteLLMModel
from activities.ports import (
    Prompt,
    SharedState,
)
from tests.ports.models.model_cases import (
    ASK,
    CALCULATOR,
    FEW,
    ME,
    Listener,
    catalogue,
)
from tests.support.servers.stub_sglang import SERVED, StubSGLang
from tests.support.waiting import until

CAPABLE = '{ tools = "native", json_schema = true, logprobs = true, adapters = true }'
WITH_TOOLS = Prompt(ASK.messages, tools=[CALCULATOR])


def model_for(
    folder: Path,
    stub: StubSGLang,
    *,
    timeout_seconds: float = 30,
    keys: dict[str, str] | None = None,
    shared: SharedState | None = None,
    **extra: Any,
) -> LiteLLMModel:
    lines = {"provider": '"sglang"', "capabilities": CAPABLE, **extra}
    return LiteLLMModel(
        catalogue(folder, stub.url, **{"model": SERVED, **lines}),
        timeout_seconds=timeout_seconds,
        api_keys={name: SecretStr(key) for name, key in (keys or {}).items()},
        shared=shared,
    )


async def cancel_call(model: LiteLLMModel, stub: StubSGLang, meets: str, *, streams: bool) -> None:
    """Cancel a call once the server has it."""
    stub.script = [meets]
    listener = Listener()
    call = asyncio.create_task(model.complete("fast", ASK, FEW, ME, listener if streams else None))
    await asyncio.to_thread(stub.called.wait, 10)
    if meets == "hang-mid":
        await until(lambda: bool(listener.text), what="it speaks")
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
