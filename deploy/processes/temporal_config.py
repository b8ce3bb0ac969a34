"""Temporal's own configuration of a connection, for commands that end with one line where it cannot be used."""

from temporalio.envconfig import ClientConnectConfig

from deploy.processes.errors import DeployError
from perdure.contracts.temporal.connection import connect_config


def temporal_config(*, environment: bool = True) -> ClientConnectConfig:
    """As `connect_config`. Raises `DeployError`."""
    try:
        return connect_config(environment=environment)
    except ConnectionError as error:
        raise DeployError(str(error)) from None
