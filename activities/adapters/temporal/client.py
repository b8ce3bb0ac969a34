"""Connects to Temporal as a worker does: with the platform's plugin, external storage and traces."""

from typing import Any

from temporalio.client import Client

from activities.adapters.temporal.payload_keys import PayloadKeys
from activities.adapters.temporal.payload_storage import payload_storage
from activities.ports import BlobStore
from activities.settings import Settings
from perdure.contracts.temporal.connecting import connect as connect_to
from perdure.contracts.temporal.connection import connect_config
from workflows.plugin import EXTERNAL_FROM, PerdurePlugin


async def connect(settings: Settings, blobs: BlobStore, keys: PayloadKeys) -> Client:
    """Connect to the server that Temporal's own configuration names, else to the embedded one.

    Large payloads are stored in `blobs`, each signed with one of `keys` for its run. Raises `ConnectionError` where
    nothing answers, or where the configuration cannot be used.
    """
    from temporalio.contrib.opentelemetry import OpenTelemetryPlugin

    config = connect_config()
    config["target_host"] = config.get("target_host") or f"127.0.0.1:{settings.embedded.temporal_port}"
    plugins: list[Any] = [PerdurePlugin(payload_storage(blobs, keys, EXTERNAL_FROM))]
    if settings.telemetry.traces:
        plugins.append(OpenTelemetryPlugin(add_temporal_spans=True))
    return await connect_to(config, plugins=plugins)
