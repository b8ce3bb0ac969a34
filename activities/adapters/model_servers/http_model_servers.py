"""Queries model servers over HTTP: SGLang by `/ready`, `/v1/loads` and `/metrics`, others by `/health` and `/metrics`.

Two addresses of SGLang are never used: `/server_info`, which reveals every key of the server, and `/health`, which
makes the model generate a token each time.
"""

import math
import re
from collections.abc import Mapping
from typing import Any, cast

from pydantic import SecretStr

from activities.adapters.model_servers.catalogue import CatalogueFile, DeploymentEntry
from activities.adapters.model_servers.served_models import Listed, read_models, require_served
from activities.adapters.model_servers.server_queries import Answer, ServerQueries
from activities.adapters.model_servers.wire_errors import display_name
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
"""How long a server may take for one answer. It is short, since the reader of a table waits for every server."""

ADAPTER_SECONDS = 120.0
"""How long the loading of an adapter may take."""

ANTHROPIC = "2023-06-01"
"""The version of Anthropic's API, which every request must name."""

KEY_REFUSED = frozenset({401, 403})
"""The statuses with which a server refuses the key."""

SAMPLE = re.compile(r"^(?P<name>[\w:]+)(?:\{[^}]*\})? (?P<value>\S+)$", re.MULTILINE)
"""A line of metrics in Prometheus' text format."""


class HttpModelServers:
    """The servers behind the deployments of a catalogue."""

    def __init__(
        self,
        catalogue: CatalogueFile,
        *,
        api_keys: Mapping[str, SecretStr] | None = None,
        seconds: float = SECONDS,
    ) -> None:
        """`api_keys`: by the name in an entry's `api_key` or `admin_key`, or by deployment."""
        self._catalogue = catalogue
        self._keys = api_keys or {}
        self._queries = ServerQueries(seconds=seconds)

    async def health(self, deployment: str) -> Health:
        entry = self._catalogue.entry(deployment)
        try:
            models = await self._models(deployment, entry)
        except PortError as error:
            return Health(ready=False, reason=_reason(deployment, error))
        names = tuple(
            f"{model.base}:{model.name}" if model.base else model.name
            for model in models
            if display_name(model.name) != HIDDEN_PATH
        )
        window = next((model.context_window for model in models if model.name == entry.model), None)
        reason = ""
        try:
            if entry.provider == "sglang":
                require_served(deployment, entry, models)
            elif entry.model not in [model.name for model in models]:
                reason = f"its server does not list {entry.model!r}: correct `model` or `endpoint` in the catalogue"
        except PortError as error:
            reason = _reason(deployment, error)
        if not reason and window is not None and window < entry.context_window:
            reason = f"its server takes {window} tokens, fewer than the catalogue's context_window of "
            reason += f"{entry.context_window}: lower it"
        return Health(ready=not reason, reason=reason, models=names, context_window=window)

    async def load(self, deployment: str) -> Load:
        entry = self._catalogue.entry(deployment)
        if entry.protocol != "hosted_vllm":
            return Load()  # a provider on the internet does not report it
        metrics = await self._get(deployment, entry, f"{entry.root}/metrics")
        samples = _samples(metrics.text if metrics.ok else "")
        if entry.provider != "sglang":
            return Load(
                running=_first_count(samples, "llamacpp:requests_processing", "vllm:num_requests_running"),
                waiting=_first_count(samples, "llamacpp:requests_deferred", "vllm:num_requests_waiting"),
                token_usage=_first_sum(samples, "llamacpp:kv_cache_usage_ratio", "vllm:kv_cache_usage_perc"),
                tokens_per_second=_first_sum(samples, "llamacpp:predicted_tokens_seconds"),
            )
        loads = _loads(await self._get(deployment, entry, f"{entry.root}/v1/loads"))
        if not loads:  # SGLang's router reports all servers behind it here
            loads = _loads(await self._get(deployment, entry, f"{entry.root}/loads"))
        return Load(
            running=_total(loads, "num_running_reqs"),
            waiting=_total(loads, "num_waiting_reqs"),
            token_usage=max((float(load.get("token_usage", 0)) for load in loads), default=None),
            cache_hit_rate=_hit_rate(samples, loads),
            tokens_per_second=sum(float(load.get("gen_throughput", 0)) for load in loads) if loads else None,
            aborted=_first_count(samples, "sglang:num_aborted_requests_total") if samples else None,
        )

    async def load_adapter(self, deployment: str, adapter: str, path: str) -> None:
        await self._adapter(deployment, "load_lora_adapter", {"lora_name": adapter, "lora_path": path})

    async def unload_adapter(self, deployment: str, adapter: str) -> None:
        await self._adapter(deployment, "unload_lora_adapter", {"lora_name": adapter})

    async def _adapter(self, deployment: str, path: str, body: Mapping[str, str]) -> None:
        entry = self._catalogue.entry(deployment)
        if entry.provider != "sglang" or not entry.capabilities.adapters:
            raise NotConfigured(
                f'the deployment {deployment!r} serves no adapters: it needs provider = "sglang" and '
                "capabilities.adapters = true"
            )
        key = self._key(deployment, entry.admin_key) if entry.admin_key else self._key(deployment, entry.api_key)
        answer = await self._queries.ask(
            deployment, f"{entry.root}/{path}", key=key, body=body, seconds=ADAPTER_SECONDS
        )
        if answer.status in KEY_REFUSED:
            raise ModelUnusable(
                f"{deployment}: the server does not accept the key (status {answer.status}): where it was started with "
                "--admin-api-key, name that key as `admin_key` in the catalogue"
            )
        if not answer.ok or answer.fields.get("success") is not True:
            # The answer's text is not shown: it holds paths on the server's disk and of other adapters.
            raise ModelRefused(
                f"{deployment}: its server did not {path.split('_', 1)[0]} the adapter {body['lora_name']!r} (status "
                f"{answer.status}): see that it runs with --enable-lora, that the name is right, and its log"
            )

    async def _models(self, deployment: str, entry: DeploymentEntry) -> list[Listed]:
        """Return the models that the server lists, if it is ready. Raises the port's errors."""
        if entry.protocol == "hosted_vllm":
            path = "ready" if entry.provider == "sglang" else "health"
            answer = await self._get(deployment, entry, f"{entry.root}/{path}")
            if not answer.ok and answer.status not in (404, 405):  # a router does not have this path
                raise ModelUnreachable(f"{deployment}: its server is not ready (status {answer.status})")
        models = f"{entry.root}/v1/models" if entry.provider == "anthropic" else f"{entry.endpoint}/models"
        answer = await self._get(deployment, entry, models)
        if answer.status in KEY_REFUSED:
            raise ModelUnusable(
                f"{deployment}: the server does not accept the key (status {answer.status}): correct it in "
                "PERDURE_MODEL__API_KEYS"
            )
        listed = read_models(answer) if answer.ok else None
        if listed is None:
            raise ModelUnreachable(
                f"{deployment}: what answers at its endpoint lists no models (status {answer.status}): is the address "
                "that of a model server, /v1 included?"
            )
        return list(listed)

    async def _get(self, deployment: str, entry: DeploymentEntry, url: str) -> Answer:
        key = self._key(deployment, entry.api_key)
        headers = {"x-api-key": key or "", "anthropic-version": ANTHROPIC} if entry.provider == "anthropic" else None
        return await self._queries.ask(deployment, url, key=key, headers=headers)

    def _key(self, deployment: str, name: str | None) -> str | None:
        key = self._keys.get(name or "") or self._keys.get(deployment)
        if key is None and name is not None:
            raise NotConfigured(
                f"the deployment {deployment!r} needs the key {name!r}, which is not set: set "
                f'PERDURE_MODEL__API_KEYS=\'{{"{name}": "..."}}\''
            )
        return None if key is None else key.get_secret_value()


HIDDEN_PATH = display_name("/")


def _reason(deployment: str, error: PortError) -> str:
    """Return an error's text without the deployment's name, for a table that shows the name itself."""
    return str(error).removeprefix(f"{deployment}: ")


def _samples(text: str) -> Mapping[str, list[float]]:
    """Return the values of metrics by name, one value for each set of labels."""
    samples: dict[str, list[float]] = {}
    for sample in SAMPLE.finditer(text):
        try:
            value = float(sample["value"])
        except ValueError:
            continue
        if math.isfinite(value):
            samples.setdefault(sample["name"], []).append(value)
    return samples


def _first_sum(samples: Mapping[str, list[float]], *names: str) -> float | None:
    return next((sum(samples[name]) for name in names if name in samples), None)


def _first_count(samples: Mapping[str, list[float]], *names: str) -> int | None:
    total = _first_sum(samples, *names)
    return None if total is None else round(total)


def _loads(answer: Answer) -> list[Mapping[str, Any]]:
    loads: object = answer.fields.get("loads") if answer.ok else None
    lines = cast("list[object]", loads) if isinstance(loads, list) else []
    return [cast("Mapping[str, Any]", line) for line in lines if isinstance(line, Mapping)]


def _total(loads: list[Mapping[str, Any]], name: str) -> int | None:
    return sum(int(load.get(name, 0)) for load in loads) if loads else None


def _hit_rate(samples: Mapping[str, list[float]], loads: list[Mapping[str, Any]]) -> float | None:
    """Return the cache hit rate since the server started; that of the last batch where it has no metrics."""
    cached, prompts = (
        _first_sum(samples, "sglang:cached_tokens_total"),
        _first_sum(samples, "sglang:prompt_tokens_total"),
    )
    if prompts:
        return min((cached or 0.0) / prompts, 1.0)
    return max((float(load.get("cache_hit_rate", 0)) for load in loads), default=None)
