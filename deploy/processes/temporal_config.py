"""Reads Temporal's own configuration of a connection; an error is one line for the user."""

from temporalio.envconfig import ClientConnectConfig

from deploy.processes.errors import DeployError
from perdure.contracts.temporal.connection import connect_config


def temporal_config(*, environment: bool = True) -> ClientConnectConfig:
    """Return the configuration of a connection to Temporal. Raises `DeployError` where it cannot be used."""
    try:
        return connect_config(environment=environment)
    except ConnectionError as error:
        raise DeployError(str(error)) from None
