"""Which models a server really serves. SGLang answers for any name with its base model, and repeats the name."""

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
from activities.adapters.model_servers.wire_errors import shown
from activities.ports import NO_TENANT, ModelUnreachable, ModelUnusable, PortError, SharedKey, SharedState

ASK_EVERY = 60.0
"""Seconds for which what a server said it serves is believed."""

DOORS_CLOSED = frozenset({401, 403, 404, 429, 503})
"""Statuses whose meaning does not depend on what was asked."""


About = tuple[str, str, str]
"""A deployment, its endpoint, and the model that it is asked for."""


@dataclass(frozen=True)
class Listed:
    """One line of a server's `/v1/models`."""

    name: str
    base: str | None
    """The model that an adapter belongs to; None for a model itself."""
    context_window: int | None


def read_models(answer: Answer) -> Sequence[Listed] | None:
    """The models of an answer; None where it is no list of models."""
    data: object = answer.fields.get("data")
    if not isinstance(data, list):
        return None
    lines = [cast("Mapping[str, Any]", line) for line in cast("list[object]", data) if isinstance(line, Mapping)]
    return [
        Listed(
            name=str(line.get("id")),
            base=str(parent) if (parent := line.get("parent")) else None,
            context_window=int(most) if isinstance(most := line.get("max_model_len"), int) else None,
        )
        for line in lines
    ]


def require_served(deployment: str, entry: DeploymentEntry, models: Sequence[Listed]) -> None:
    """Raise `ModelUnusable` where the entry's model or its adapter is not among these."""
    bases = [model.name for model in models if model.base is None]
    if entry.model not in bases:
        names = ", ".join(map(shown, bases[:4])) or "nothing"
        raise ModelUnusable(
            f"{deployment}: its server serves {names}, not {entry.model!r}, and would answer for it all the same: "
            "correct `model` or `endpoint` in the catalogue"
        )
    if entry.adapter is not None and (entry.adapter, entry.model) not in [(one.name, one.base) for one in models]:
        raise ModelUnusable(
            f"{deployment}: its server has not loaded the adapter {entry.adapter!r}: load it (`python -m deploy.models "
            "load`), or remove `adapter` from the catalogue"
        )


class ServedModels:
    """Sees that a server serves what the catalogue says, before the first call, now and then, and after a failure.

    What one worker saw it tells the others: a server is asked once a minute, however many call it.
    """

    def __init__(
        self, queries: ServerQueries, shared: SharedState | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._queries = queries
        self._shared = shared
        self._clock = clock
        self._doubted: set[str] = set()
        """Deployments whose server is asked itself, whatever other workers have seen."""
        self._believed: dict[About, float] = {}
        self._asking: dict[About, asyncio.Task[None]] = {}

    async def require(self, deployment: str, entry: DeploymentEntry, key: str | None) -> None:
        """Raise `ModelUnusable` or `ModelUnreachable` unless the server serves the entry's model. Nothing is bought.

        Calls that come at the same time share one question, and its answer.
        """
        about = (deployment, entry.endpoint, entry.asked_as)
        if self._believed.get(about, 0.0) > self._clock():
            return
        asking = self._asking.get(about)
        if asking is None:
            asking = self._asking[about] = asyncio.create_task(self._ask(about, deployment, entry, key))
            asking.add_done_callback(lambda task: self._asked(about, task))
        await asyncio.shield(asking)  # one caller's cancellation is not the others'

    def doubt(self, deployment: str) -> None:
        """Ask again before the next call: who answers then may be another."""
        self._believed = {about: until for about, until in self._believed.items() if about[0] != deployment}
        self._doubted.add(deployment)

    async def _seen_by_others(self, about: About) -> bool:
        if self._shared is None or about[0] in self._doubted:
            return False
        with suppress(PortError):  # the server itself is asked then
            return await self._shared.get(_key(about)) is not None
        return False

    async def _tell_others(self, about: About) -> None:
        self._doubted.discard(about[0])
        if self._shared is not None:
            with suppress(PortError):  # the others ask themselves then
                await self._shared.put(_key(about), b"served", timedelta(seconds=ASK_EVERY))

    async def _ask(self, about: About, deployment: str, entry: DeploymentEntry, key: str | None) -> None:
        if await self._seen_by_others(about):
            self._believed[about] = self._clock() + ASK_EVERY
            return
        answer = await self._queries.ask(deployment, f"{entry.endpoint}/models", key=key)
        if not answer.ok and answer.status in DOORS_CLOSED:
            raise port_error(deployment, entry.provider, read_refusal(answer.status, {}, answer.text.encode()))
        models = read_models(answer) if answer.ok else None
        if models is None:
            raise ModelUnreachable(
                f"{deployment}: its server does not say which model it serves (status {answer.status}): is the address "
                "that of SGLang, /v1 included?"
            )
        require_served(deployment, entry, models)
        # Routers have no such door. A chat request ended an embedding server of SGLang 0.5.23 for everybody.
        about_model = await self._queries.ask(deployment, f"{entry.root}/model_info", key=key)
        if about_model.ok and about_model.fields.get("is_generation") is False:
            raise ModelUnusable(
                f"{deployment}: its server makes embeddings and writes no text: correct `endpoint` in the catalogue"
            )
        self._believed[about] = self._clock() + ASK_EVERY
        await self._tell_others(about)

    def _asked(self, about: About, task: asyncio.Task[None]) -> None:
        self._asking.pop(about, None)
        if not task.cancelled():
            task.exception()  # where every caller was cancelled, nobody else looks at it


def _key(about: About) -> SharedKey:
    deployment, *where = about
    return SharedKey(NO_TENANT, deployment, hashlib.sha256(json.dumps(where).encode()).hexdigest()[:32])
