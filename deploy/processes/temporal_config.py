"""Connects by Temporal's own configuration; an error is one line for the user."""

from temporalio.client import Client
from temporalio.envconfig import ClientConnectConfig

from activities.settings import Settings
from deploy.processes.errors import DeployError
from perdure.contracts.temporal.connecting import connect
from perdure.contracts.temporal.connection import connect_config


def temporal_config(*, environment: bool = True) -> ClientConnectConfig:
    """Return the configuration of a connection to Temporal. Raises `DeployError` where it cannot be used."""
    try:
        return connect_config(environment=environment)
    except ConnectionError as error:
        raise DeployError(str(error)) from None


async def connected(settings: Settings) -> Client:
    """Connect to the server that the configuration names, else to the embedded one. Raises `DeployError`."""
    config = temporal_config()
    config["target_host"] = config.get("target_host") or f"127.0.0.1:{settings.embedded.temporal_port}"
    try:
        return await connect(config)
    except ConnectionError as error:
        raise DeployError(str(error)) from None
