"""Checks that loopback ports are free, names their holders, and picks free ones."""

import os
import socket

import psutil

from deploy.processes.errors import PortInUse

HOST = "127.0.0.1"
"""The only address that the embedded stack listens on."""


def require_free(port: int, setting: str) -> None:
    """Raise `PortInUse`, naming the holder and the setting that changes the port, if something listens there."""
    with socket.socket() as probe:
        if os.name == "posix":  # as the servers do: lingering connections do not block the port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise PortInUse(
                f"port {port} is in use by {_holder(port)} ({error.strerror}): "
                f"stop that process, or set {setting} to a free port"
            ) from None


def free_ports(count: int) -> list[int]:
    """Return this many ports that are free now, all different."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind((HOST, 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections(kind="tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
            if listens and connection.pid is not None:
                return f"{psutil.Process(connection.pid).name()!r}, pid {connection.pid}"
    except psutil.Error:
        pass  # other users' processes are hidden on some systems; the port is in use all the same
    return "another process"
