"""Model servers over HTTP: SGLang by `/ready`, `/v1/loads` and `/metrics`, others by `/health` and what they tell.

`/server_info` of SGLang is never asked: it tells every key of the server. Nor is its `/health`, which makes the model
write a token each time.
"""

import math
import re
from collections.abc import Mapping
from typing import Any, cast

from pydantic import SecretStr

from activities.adapters.model_servers.catalogue import CatalogueFile, DeploymentEntry
from activities.adapters.model_servers.served_models import Listed, read_models, require_served
from activities.adapters.model_servers.server_queries import Answer, ServerQueries
from activities.adapters.model_servers.wire_errors import shown
from activities.ports import (
    Health,
    Load,
    ModelRefused,
    ModelUnreachable,
    ModelUnusable,
    NotConfigured,
    PortError,
)

SECONDS = 3.0
"""How long a server may take for one answer: who looks at a table waits for all of them."""

ADAPTER_SECONDS = 120.0
"""How long the loading of an adapter may take."""

ANTHROPIC = "2023-06-01"
"""The version of Anthropic's API, which it asks for."""

CLOSED = frozenset({401, 403})

SAMPLE = re.compile(r"^(?P<name>[\w:]+)(?:\{[^}]*\})? (?P<value>\S+)$", re.MULTILINE)
"""One line of metrics, in Prometheus' text format."""


class HttpModelServers:
    """The servers behind the deployments of a catalogue."""

    def __init__(
        self,
        catalogue: CatalogueFile,
        *,
        api_keys: Mapping[str, SecretStr] | None = None,
        seconds: float = SECONDS,
    ) -> None:
        """`api_keys` are by the name that an entry's `api_key` or `admin_key` gives, or by deployment."""
        self._catalogue = catalogue
        self._keys = api_keys or {}
        self._queries = ServerQueries(seconds=seconds)

    async def health(self, deployment: str) -> Health:
        entry = self._catalogue.entry(deployment)
        try:
            models = await self._models(deployment, entry)
        except PortError as error:
            return Health(ready=False, reason=_without(deployment, error))
        names = tuple(f"{one.base}:{one.name}" if one.base else one.name for one in models if shown(one.name) != PATH)
        window = next((one.context_window for one in models if one.name == entry.model), None)
        reason = ""
        try:
            if entry.provider == "sglang":
                require_served(deployment, entry, models)
            elif entry.model not in [one.name for one in models]:
                reason = f"its server does not list {entry.model!r}: correct `model` or `endpoint` in the catalogue"
        except PortError as error:
            reason = _without(deployment, error)
        if not reason and window is not None and window < entry.context_window:
            reason = f"its server takes {window} tokens, fewer than the catalogue's context_window of "
            reason += f"{entry.context_window}: lower it"
        return Health(ready=not reason, reason=reason, models=names, context_window=window)

    async def load(self, deployment: str) -> Load:
        entry = self._catalogue.entry(deployment)
        if entry.protocol != "hosted_vllm":
            return Load()  # a provider on the internet does not tell
        metrics = await self._get(deployment, entry, f"{entry.root}/metrics")
        samples = _samples(metrics.text if metrics.ok else "")
        if entry.provider != "sglang":
            return Load(
                running=_count(samples, "llamacpp:requests_processing", "vllm:num_requests_running"),
                waiting=_count(samples, "llamacpp:requests_deferred", "vllm:num_requests_waiting"),
                token_usage=_first(samples, "llamacpp:kv_cache_usage_ratio", "vllm:kv_cache_usage_perc"),
                tokens_per_second=_first(samples, "llamacpp:predicted_tokens_seconds"),
            )
        loads = _loads(await self._get(deployment, entry, f"{entry.root}/v1/loads"))
        if not loads:  # its router tells of all servers behind it
            loads = _loads(await self._get(deployment, entry, f"{entry.root}/loads"))
        return Load(
            running=_total(loads, "num_running_reqs"),
            waiting=_total(loads, "num_waiting_reqs"),
            token_usage=max((float(one.get("token_usage", 0)) for one in loads), default=None),
            cache_hit_rate=_hit_rate(samples, loads),
            tokens_per_second=sum(float(one.get("gen_throughput", 0)) for one in loads) if loads else None,
            aborted=_count(samples, "sglang:num_aborted_requests_total") if samples else None,
        )

    async def load_adapter(self, deployment: str, adapter: str, path: str) -> None:
        await self._adapter(deployment, "load_lora_adapter", {"lora_name": adapter, "lora_path": path})

    async def unload_adapter(self, deployment: str, adapter: str) -> None:
        await self._adapter(deployment, "unload_lora_adapter", {"lora_name": adapter})

    async def _adapter(self, deployment: str, door: str, body: Mapping[str, str]) -> None:
        entry = self._catalogue.entry(deployment)
        if entry.provider != "sglang" or not entry.capabilities.adapters:
            raise NotConfigured(
                f'the deployment {deployment!r} serves no adapters: it needs provider = "sglang" and '
                "capabilities.adapters = true"
            )
        key = self._key(deployment, entry.admin_key) if entry.admin_key else self._key(deployment, entry.api_key)
        answer = await self._queries.ask(
            deployment, f"{entry.root}/{door}", key=key, body=body, seconds=ADAPTER_SECONDS
        )
        if answer.status in CLOSED:
            raise ModelUnusable(
                f"{deployment}: the server does not accept the key (status {answer.status}): where it was started with "
                "--admin-api-key, name that key as `admin_key` in the catalogue"
            )
        if not answer.ok or answer.fields.get("success") is not True:
            # What it says holds paths of the server's disk and of other adapters.
            raise ModelRefused(
                f"{deployment}: its server did not {door.split('_', 1)[0]} the adapter {body['lora_name']!r} (status "
                f"{answer.status}): see that it runs with --enable-lora, that the name is right, and its log"
            )

    async def _models(self, deployment: str, entry: DeploymentEntry) -> list[Listed]:
        """What the server serves, once it says that it is ready. Raises the port's errors."""
        if entry.protocol == "hosted_vllm":
            door = "ready" if entry.provider == "sglang" else "health"
            answer = await self._get(deployment, entry, f"{entry.root}/{door}")
            if not answer.ok and answer.status not in (404, 405):  # a router has other doors
                raise ModelUnreachable(f"{deployment}: its server is not ready (status {answer.status})")
        models = f"{entry.root}/v1/models" if entry.provider == "anthropic" else f"{entry.endpoint}/models"
        answer = await self._get(deployment, entry, models)
        if answer.status in CLOSED:
            raise ModelUnusable(
                f"{deployment}: the server does not accept the key (status {answer.status}): correct it in "
                "PERDURE_MODEL__API_KEYS"
            )
        found = read_models(answer) if answer.ok else None
        if found is None:
            raise ModelUnreachable(
                f"{deployment}: what answers at its endpoint lists no models (status {answer.status}): is the address "
                "that of a model server, /v1 included?"
            )
        return list(found)

    async def _get(self, deployment: str, entry: DeploymentEntry, url: str) -> Answer:
        key = self._key(deployment, entry.api_key)
        headers = {"x-api-key": key or "", "anthropic-version": ANTHROPIC} if entry.provider == "anthropic" else None
        return await self._queries.ask(deployment, url, key=key, headers=headers)

    def _key(self, deployment: str, name: str | None) -> str | None:
        found = self._keys.get(name or "") or self._keys.get(deployment)
        if found is None and name is not None:
            raise NotConfigured(
                f"the deployment {deployment!r} needs the key {name!r}, which is not set: set "
                f'PERDURE_MODEL__API_KEYS=\'{{"{name}": "..."}}\''
            )
        return None if found is None else found.get_secret_value()


PATH = shown("/")


def _without(deployment: str, error: PortError) -> str:
    """The reason, for a table that names the deployment itself."""
    return str(error).removeprefix(f"{deployment}: ")


def _samples(text: str) -> Mapping[str, list[float]]:
    """The values of metrics by name, one for each of their labels."""
    found: dict[str, list[float]] = {}
    for sample in SAMPLE.finditer(text):
        try:
            value = float(sample["value"])
        except ValueError:
            continue
        if math.isfinite(value):
            found.setdefault(sample["name"], []).append(value)
    return found


def _first(samples: Mapping[str, list[float]], *names: str) -> float | None:
    return next((sum(samples[name]) for name in names if name in samples), None)


def _count(samples: Mapping[str, list[float]], *names: str) -> int | None:
    found = _first(samples, *names)
    return None if found is None else round(found)


def _loads(answer: Answer) -> list[Mapping[str, Any]]:
    found: object = answer.fields.get("loads") if answer.ok else None
    lines = cast("list[object]", found) if isinstance(found, list) else []
    return [cast("Mapping[str, Any]", line) for line in lines if isinstance(line, Mapping)]


def _total(loads: list[Mapping[str, Any]], name: str) -> int | None:
    return sum(int(one.get(name, 0)) for one in loads) if loads else None


def _hit_rate(samples: Mapping[str, list[float]], loads: list[Mapping[str, Any]]) -> float | None:
    """Of all prompts since the server started; of the last batch where it has no metrics."""
    cached, prompts = _first(samples, "sglang:cached_tokens_total"), _first(samples, "sglang:prompt_tokens_total")
    if prompts:
        return min((cached or 0.0) / prompts, 1.0)
    return max((float(one.get("cache_hit_rate", 0)) for one in loads), default=None)
