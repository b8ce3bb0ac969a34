"""Weaviate's server as a process of the stack: on loopback, with a key, without telemetry."""

from dataclasses import dataclass
from pathlib import Path

import httpx

from deploy.local.parts import Part
from deploy.local.ports import HOST, free_ports

USER = "perdure"
"""Whose key it is, in Weaviate's words."""

FULL = 99
"""From how many per cent of the disk on it takes nothing more. Its own default is 90: a developer's laptop."""


@dataclass(frozen=True)
class Serving:
    """How to serve it."""

    program: Path
    data: Path
    """Where its data is kept."""
    port: int
    grpc_port: int
    key: str
    read_only_from: int = FULL
    """Per cent of the disk."""


def part(serving: Serving, log: Path) -> Part:
    """The server's process. Its gRPC port and its cluster data port listen on every interface: hence the key."""
    gossip, data, raft, raft_rpc = free_ports(4)

    def ready() -> bool:
        try:
            return httpx.get(
                f"http://{HOST}:{serving.port}/v1/.well-known/ready", timeout=2, trust_env=False
            ).is_success
        except httpx.HTTPError:
            return False

    listen = ("--scheme", "http", "--host", HOST, "--port", str(serving.port))
    return Part(
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
            # One node: it elects itself, and with the default of 5 it would wait 5 s longer before it does.
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
