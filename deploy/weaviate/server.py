"""Runs Weaviate's server as a process of the stack: on loopback, with a key, without telemetry."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import httpx
from pydantic import SecretStr

from activities.settings import Settings
from deploy.processes.ports import HOST, free_ports
from deploy.processes.process import Process
from deploy.weaviate.build import obtain

USER = "perdure"
"""The name of the key's user in Weaviate's configuration."""

FULL = 99
"""The percentage of used disk from which on it is read-only. Weaviate's default of 90 is common on a laptop."""


@dataclass(frozen=True)
class Serving:
    """The options of the server."""

    program: Path
    data: Path
    """The folder of its data."""
    port: int
    grpc_port: int
    key: str
    read_only_from: int = FULL
    """The percentage of used disk from which on it is read-only."""


def embedded(settings: Settings) -> Settings:
    """Return the settings with the stack's own Weaviate as store; unchanged where they name another Weaviate."""
    if settings.store.weaviate is not None:
        return settings
    stack = settings.embedded
    own = {
        "weaviate": f"http://{HOST}:{stack.weaviate_port}",
        "weaviate_grpc": f"{HOST}:{stack.weaviate_grpc_port}",
        "weaviate_api_key": SecretStr(_key(settings.paths.state / "weaviate.key")),
    }
    return settings.model_copy(update={"store": settings.store.model_copy(update=own)})


def is_embedded(settings: Settings) -> bool:
    """Return whether the store of the settings is the Weaviate that the stack starts."""
    return settings.store.weaviate == f"http://{HOST}:{settings.embedded.weaviate_port}"


def serving(settings: Settings) -> Serving:
    """Return the options of the stack's own server, after building it if it is missing. Raises `DeployError`."""
    key = settings.store.weaviate_api_key
    return Serving(
        program=obtain(settings.paths.programs),
        data=settings.paths.state.resolve() / "weaviate",
        port=settings.embedded.weaviate_port,
        grpc_port=settings.embedded.weaviate_grpc_port,
        key="" if key is None else key.get_secret_value(),
    )


def _key(file: Path) -> str:
    """Return the key of this state folder's server; make it, readable by its owner only, at the first use."""
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text()
    with os.fdopen(handle, "w") as out:
        key = secrets.token_hex(16)
        out.write(key)
    return key


def part(serving: Serving, log: Path) -> Process:
    """Return the server's process. Its gRPC and cluster data ports listen on every interface: hence the key."""
    gossip, data, raft, raft_rpc = free_ports(4)

    def ready() -> bool:
        try:
            return httpx.get(
                f"http://{HOST}:{serving.port}/v1/.well-known/ready", timeout=2, trust_env=False
            ).is_success
        except httpx.HTTPError:
            return False

    listen = ("--scheme", "http", "--host", HOST, "--port", str(serving.port))
    return Process(
        "Weaviate",
        [str(serving.program), *listen, "--read-timeout=60s", "--write-timeout=60s"],
        log=log,
        ready=ready,
        environment={
            "PERSISTENCE_DATA_PATH": str(serving.data),
            "DISABLE_TELEMETRY": "true",
            "GO_PROFILING_DISABLE": "true",
            "LOG_LEVEL": "warning",
            # Vectors come from the worker.
            "DEFAULT_VECTORIZER_MODULE": "none",
            "API_BASED_MODULES_DISABLED": "true",
            "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "false",
            "AUTHENTICATION_APIKEY_ENABLED": "true",
            "AUTHENTICATION_APIKEY_ALLOWED_KEYS": serving.key,
            "AUTHENTICATION_APIKEY_USERS": USER,
            "AUTHORIZATION_ADMINLIST_ENABLED": "true",
            "AUTHORIZATION_ADMINLIST_USERS": USER,
            # One node elects itself; with the default of 5 it would wait 5 s longer before that.
            "RAFT_TIMEOUTS_MULTIPLIER": "1",
            "RAFT_BOOTSTRAP_EXPECT": "1",
            "CLUSTER_HOSTNAME": "node1",
            "CLUSTER_BIND_ADDR": HOST,
            "CLUSTER_ADVERTISE_ADDR": HOST,
            "CLUSTER_GOSSIP_BIND_PORT": str(gossip),
            "CLUSTER_DATA_BIND_PORT": str(data),
            "RAFT_PORT": str(raft),
            "RAFT_INTERNAL_RPC_PORT": str(raft_rpc),
            "GRPC_PORT": str(serving.grpc_port),
            "DISK_USE_WARNING_PERCENTAGE": str(serving.read_only_from),
            "DISK_USE_READONLY_PERCENTAGE": str(serving.read_only_from),
        },
    )
