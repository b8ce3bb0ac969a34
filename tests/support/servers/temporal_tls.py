"""A TLS front before a real Temporal server, as Temporal Cloud is one: certificates, API keys, no operator service.

It is a process of its own (`python -m tests.support.servers.temporal_tls`): gRPC's threads must not be forked by tests.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, cast

import grpc

from activities.settings import ROOT
from tests.support.servers.certificates import Authority

OPERATOR = "/temporal.api.operatorservice.v1.OperatorService/"
NAMESPACES = ("RegisterNamespace", "DeprecateNamespace", "UpdateNamespace")
"""The methods of the workflow service that Temporal Cloud keeps to its own tools, too."""

LARGEST = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


@dataclass(frozen=True)
class CloudLike:
    """A front that runs, with what its clients need."""

    address: str
    authority: Path
    certificate: Path
    key: Path
    api_key: str | None

    def environment(self, **more: str) -> dict[str, str]:
        """Return the variables that a client, a worker and the `temporal` tool read."""
        variables = {
            "TEMPORAL_ADDRESS": self.address,
            "TEMPORAL_TLS": "true",
            "TEMPORAL_TLS_SERVER_CA_CERT_PATH": str(self.authority),
            "TEMPORAL_TLS_CLIENT_CERT_PATH": str(self.certificate),
            "TEMPORAL_TLS_CLIENT_KEY_PATH": str(self.key),
        }
        if self.api_key is not None:
            variables["TEMPORAL_API_KEY"] = self.api_key
        return {**variables, **more}

    def file(self, path: Path) -> Path:
        """Write the same as a configuration file, for `TEMPORAL_CONFIG_FILE`."""
        key = "" if self.api_key is None else f'api_key = "{self.api_key}"\n'
        path.write_text(
            f'[profile.default]\naddress = "{self.address}"\n{key}'
            f'[profile.default.tls]\nserver_ca_cert_path = "{self.authority}"\n'
            f'client_cert_path = "{self.certificate}"\nclient_key_path = "{self.key}"\n'
        )
        return path


@contextmanager
def cloud_like(
    folder: Path, target: str, *, api_key: str | None = None, refuses: str = "PERMISSION_DENIED"
) -> Generator[CloudLike]:
    """Front the server at `target`. Every client needs a certificate of the authority, and the API key if there is one.

    `refuses` is the status with which the operator service is refused; empty where it is served.
    """
    authority = Authority(folder, "front")
    certificate, key = authority.sign("server")
    command = [sys.executable, "-m", "tests.support.servers.temporal_tls", target, str(certificate), str(key)]
    command += [str(authority.file), "--refuses", refuses, "--api-key", api_key or ""]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        try:
            yield CloudLike(f"127.0.0.1:{port}", authority.file, *authority.sign("client"), api_key)
        finally:
            process.terminate()


class Front(grpc.GenericRpcHandler):
    """Every call of a client, passed on as it is, or refused."""

    def __init__(self, channel: grpc.Channel, api_key: str, refuses: str) -> None:
        self._channel = channel
        self._api_key = api_key
        self._refuses = refuses

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        details = cast("Any", handler_call_details)
        method: str = details.method

        def pass_on(request: bytes, context: Any) -> bytes:
            return self._pass_on(method, request, context)

        return cast("Any", grpc).unary_unary_rpc_method_handler(pass_on)

    def _pass_on(self, method: str, request: bytes, context: Any) -> bytes:
        metadata = [(name, value) for name, value in context.invocation_metadata() if name != "user-agent"]
        if self._api_key and dict(metadata).get("authorization") != f"Bearer {self._api_key}":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "Request unauthorized.")
        managed = method.startswith(OPERATOR) or method.rpartition("/")[2] in NAMESPACES
        if self._refuses and managed:
            context.abort(grpc.StatusCode[self._refuses], "Request unauthorized.")
        call = cast("Callable[..., bytes]", self._channel.unary_unary(method))
        try:
            return call(request, metadata=metadata, timeout=context.time_remaining())
        except grpc.RpcError as error:
            _fail_alike(cast("Any", error), context)


def _fail_alike(error: Any, context: Any) -> NoReturn:
    details = [(name, value) for name, value in error.trailing_metadata() or () if name == "grpc-status-details-bin"]
    context.set_trailing_metadata(details)
    context.abort(error.code(), error.details())
    raise AssertionError("abort raises")


def main() -> None:
    """Serve until the end of the input."""
    parser = argparse.ArgumentParser()
    for name in ("target", "certificate", "key", "authority"):
        parser.add_argument(name)
    parser.add_argument("--api-key", default="")
    parser.add_argument("--refuses", default="")
    options = parser.parse_args()
    channel = grpc.insecure_channel(options.target, options=LARGEST)
    server = grpc.server(
        ThreadPoolExecutor(64), handlers=[Front(channel, options.api_key, options.refuses)], options=LARGEST
    )
    credentials = grpc.ssl_server_credentials(
        [(Path(options.key).read_bytes(), Path(options.certificate).read_bytes())],
        root_certificates=Path(options.authority).read_bytes(),
        require_client_auth=True,
    )
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    sys.stdout.write(json.dumps({"port": port}) + "\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
