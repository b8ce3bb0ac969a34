"""Checks which models a server really serves: SGLang answers any model name with its base model, under that name."""

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from activities.adapters.model_servers.catalogue import DeploymentEntry
from activities.adapters.model_servers.provider_errors import port_error, read_refusal
from activities.adapters.model_servers.server_queries import Answer, ServerQueries
from activities.adapters.model_servers.wire_errors import display_name
from activities.ports import NO_TENANT, ModelUnreachable, ModelUnusable, PortError, SharedKey, SharedState

ASK_EVERY = 60.0
"""How long a server's list of models is believed, in seconds."""

KEY_OR_LOAD_STATUSES = frozenset({401, 403, 404, 429, 503})
"""The statuses that mean the same for any request: about the key, the address, or the load."""


Target = tuple[str, str, str]
"""A deployment, its endpoint, and the model's name in requests."""


@dataclass(frozen=True)
class Listed:
    """An entry of a server's `/v1/models`."""

    name: str
    base: str | None
    """The model that an adapter belongs to; None for a model itself."""
    context_window: int | None


def read_models(answer: Answer) -> Sequence[Listed] | None:
    """Return the models of an answer; None where it is no list of models."""
    data: object = answer.fields.get("data")
    if not isinstance(data, list):
        return None
    lines = [cast("Mapping[str, Any]", line) for line in cast("list[object]", data) if isinstance(line, Mapping)]
    return [
        Listed(
            name=str(line.get("id")),
            base=str(parent) if (parent := line.get("parent")) else None,
            context_window=int(length) if isinstance(length := line.get("max_model_len"), int) else None,
        )
        for line in lines
    ]


def require_served(deployment: str, entry: DeploymentEntry, models: Sequence[Listed]) -> None:
    """Raise `ModelUnusable` unless the entry's model and adapter are among `models`."""
    bases = [model.name for model in models if model.base is None]
    if entry.model not in bases:
        names = ", ".join(map(display_name, bases[:4])) or "nothing"
        raise ModelUnusable(
            f"{deployment}: its server serves {names}, not {entry.model!r}, and would answer for it all the same: "
            "correct `model` or `endpoint` in the catalogue"
        )
    if entry.adapter is not None and (entry.adapter, entry.model) not in [(one.name, one.base) for one in models]:
        raise ModelUnusable(
            f"{deployment}: its server has not loaded the adapter {entry.adapter!r}: load it (`perdure models "
            "load`), or remove `adapter` from the catalogue"
        )


class ServedModels:
    """Checks that servers serve the models of the catalogue: before the first call, once a minute, and after a failure.

    Workers share their results: a server is asked once a minute, however many workers call it.
    """

    def __init__(
        self, queries: ServerQueries, shared: SharedState | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._queries = queries
        self._shared = shared
        self._clock = clock
        self._to_recheck: set[str] = set()
        """The deployments whose server is asked next time, whatever other workers have found."""
        self._verified_until: dict[Target, float] = {}
        self._running_checks: dict[Target, asyncio.Task[None]] = {}

    async def require(self, deployment: str, entry: DeploymentEntry, key: str | None) -> None:
        """Raise `ModelUnusable` or `ModelUnreachable` unless the server serves the entry's model. It costs nothing.

        Concurrent calls share one check.
        """
        target = (deployment, entry.endpoint, entry.request_model)
        if self._verified_until.get(target, 0.0) > self._clock():
            return
        check = self._running_checks.get(target)
        if check is None:
            check = self._running_checks[target] = asyncio.create_task(self._check(target, deployment, entry, key))
            check.add_done_callback(lambda task: self._check_done(target, task))
        await asyncio.shield(check)  # one caller's cancellation is not the others'

    def recheck(self, deployment: str) -> None:
        """Check again before the next call, since another server may answer then."""
        self._verified_until = {
            target: until for target, until in self._verified_until.items() if target[0] != deployment
        }
        self._to_recheck.add(deployment)

    async def _verified_by_others(self, target: Target) -> bool:
        if self._shared is None or target[0] in self._to_recheck:
            return False
        with suppress(PortError):  # then this worker asks the server itself
            return await self._shared.get(_key(target)) is not None
        return False

    async def _share(self, target: Target) -> None:
        self._to_recheck.discard(target[0])
        if self._shared is not None:
            with suppress(PortError):  # then the other workers ask the server themselves
                await self._shared.put(_key(target), b"served", timedelta(seconds=ASK_EVERY))

    async def _check(self, target: Target, deployment: str, entry: DeploymentEntry, key: str | None) -> None:
        if await self._verified_by_others(target):
            self._verified_until[target] = self._clock() + ASK_EVERY
            return
        answer = await self._queries.ask(deployment, f"{entry.endpoint}/models", key=key)
        if not answer.ok and answer.status in KEY_OR_LOAD_STATUSES:
            raise port_error(deployment, entry.provider, read_refusal(answer.status, {}, answer.text.encode()))
        models = read_models(answer) if answer.ok else None
        if models is None:
            raise ModelUnreachable(
                f"{deployment}: its server does not say which model it serves (status {answer.status}): is the address "
                "that of SGLang, /v1 included?"
            )
        require_served(deployment, entry, models)
        # A router does not have this path. The check matters: a chat request crashed an embedding server of SGLang
        # 0.5.23.
        model_info = await self._queries.ask(deployment, f"{entry.root}/model_info", key=key)
        if model_info.ok and model_info.fields.get("is_generation") is False:
            raise ModelUnusable(
                f"{deployment}: its server makes embeddings and writes no text: correct `endpoint` in the catalogue"
            )
        self._verified_until[target] = self._clock() + ASK_EVERY
        await self._share(target)

    def _check_done(self, target: Target, task: asyncio.Task[None]) -> None:
        self._running_checks.pop(target, None)
        if not task.cancelled():
            task.exception()  # mark it as retrieved: where every caller was cancelled, nobody else does


def _key(target: Target) -> SharedKey:
    deployment, *endpoint_and_model = target
    return SharedKey(NO_TENANT, deployment, hashlib.sha256(json.dumps(endpoint_and_model).encode()).hexdigest()[:32])
