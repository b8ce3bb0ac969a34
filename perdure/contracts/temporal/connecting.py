"""Connects to a Temporal server, and tells apart why that fails: network, TLS, key, namespace, or rights."""

import asyncio
import re
import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from enum import StrEnum
from typing import Any

from temporalio.client import Client
from temporalio.envconfig import ClientConnectConfig
from temporalio.service import RPCError, RPCStatusCode

from perdure.contracts.temporal.connection import let_connection_rest

CONNECTED_WITHIN = timedelta(seconds=10)
"""How long a server may take to answer, unless the caller says otherwise."""

PROBED_WITHIN = 3
"""How long the question may take whether a server speaks TLS, in seconds."""


class Obstacle(StrEnum):
    """Why there is no connection to a Temporal server that serves this process."""

    NOBODY_LISTENS = "nobody_listens"
    """No process listens at the address, or no host has its name."""
    NO_ANSWER = "no_answer"
    """Something listens, but does not answer in time, or not as a Temporal server."""
    TLS_WANTED = "tls_wanted"
    """The server speaks only TLS, and the connection was configured without it."""
    NO_TLS = "no_tls"
    """The server speaks no TLS, and the connection was configured with it."""
    CERTIFICATE_REFUSED = "certificate_refused"
    """The server's certificate is not trusted here: an unknown authority, another host, or out of date."""
    CLIENT_CERTIFICATE = "client_certificate"
    """The server ended the TLS connection, as it does where a client's certificate is missing or unknown."""
    KEY_REFUSED = "key_refused"
    """The server knows no such API key, or wants one."""
    NOT_PERMITTED = "not_permitted"
    """The server knows who asks, and does not permit it. Some servers answer a wrong key in this way too."""
    UNKNOWN_NAMESPACE = "unknown_namespace"
    """The server has no such namespace."""


class NotConnected(ConnectionError):
    """There is no connection. The message is one line that names the cause and the remedy, and shows no key."""

    def __init__(self, reason: Obstacle, message: str) -> None:
        super().__init__(message)
        self.reason = reason


async def connect(config: ClientConnectConfig, *, within: timedelta = CONNECTED_WITHIN, **options: Any) -> Client:
    """Connect to the server that the configuration names; `options` are `Client.connect`'s. Raises `NotConnected`."""
    if "://" in config.get("target_host", ""):
        raise _obstacle(Obstacle.NOBODY_LISTENS, config, "")  # the SDK takes a host and a port, and no scheme
    try:
        async with asyncio.timeout(within.total_seconds()):
            return await Client.connect(**config, **options)
    except TimeoutError:
        failure = _obstacle(Obstacle.NO_ANSWER, config, f"within {within.total_seconds():g} s")
    except (RuntimeError, OSError, ValueError) as error:
        failure = await _explained(str(error), config)
    await let_connection_rest()  # many a process ends right after this error
    raise failure


def refused(error: RPCError) -> NotConnected | None:
    """Return why the server refuses this connection's calls; None for an error that says nothing about them."""
    reason = {
        RPCStatusCode.UNAUTHENTICATED: Obstacle.KEY_REFUSED,
        RPCStatusCode.PERMISSION_DENIED: Obstacle.NOT_PERMITTED,
    }.get(error.status)
    if namespace_lost(error):
        reason = Obstacle.UNKNOWN_NAMESPACE
    return None if reason is None else NotConnected(reason, MESSAGES[reason]({}, error.message.rstrip(".")))


def namespace_lost(error: RPCError) -> bool:
    """Whether the server answers that it has no such namespace. Under load it may do so wrongly."""
    return error.status is RPCStatusCode.NOT_FOUND and "namespace" in error.message.lower()


async def _explained(text: str, config: ClientConnectConfig) -> NotConnected:
    """Return the error for the text of the SDK's own, which has no structure."""
    for sign, reason in SIGNS.items():
        if sign in text:
            return _obstacle(reason, config, text)
    if any(sign in text for sign in BROKEN):
        if with_tls(config):
            return _obstacle(Obstacle.CLIENT_CERTIFICATE, config, text)
        if await _speaks_tls(config.get("target_host", "")):
            return _obstacle(Obstacle.TLS_WANTED, config, text)
    after = "after connection" in text
    return _obstacle(Obstacle.NO_ANSWER if after else Obstacle.NOBODY_LISTENS, config, "of this kind")


SIGNS = {
    "InvalidCertificate": Obstacle.CERTIFICATE_REFUSED,
    "InvalidContentType": Obstacle.NO_TLS,
    "PrivateKeyParseError": Obstacle.CLIENT_CERTIFICATE,
    "CertificateRequired": Obstacle.CLIENT_CERTIFICATE,
    "UnknownCA": Obstacle.CLIENT_CERTIFICATE,
    "code: Unauthenticated": Obstacle.KEY_REFUSED,
    "code: PermissionDenied": Obstacle.NOT_PERMITTED,
    "tcp connect error": Obstacle.NOBODY_LISTENS,
    "dns error": Obstacle.NOBODY_LISTENS,
}
"""What the SDK's text holds for each obstacle, the first that fits. An alert of TLS is named as Rust's library does."""

BROKEN = ("transport error", "connection closed", "operation was canceled", "broken pipe", "reset")
"""What the SDK's text holds where a connection was made, and ended before the first answer."""


def with_tls(config: ClientConnectConfig) -> bool:
    """Whether a connection is made with TLS: it is by itself where there is an API key."""
    tls = config.get("tls")
    return bool(config.get("api_key")) if tls is None else tls is not False


def _obstacle(reason: Obstacle, config: ClientConnectConfig, detail: str) -> NotConnected:
    return NotConnected(reason, MESSAGES[reason](config, detail))


def _where(config: ClientConnectConfig) -> str:
    return config.get("target_host", "") or "the configured address"


def _tls_source(config: ClientConnectConfig) -> str:
    """Return what asks for TLS."""
    by_itself = config.get("tls") in (None, True) and config.get("api_key")
    return "TEMPORAL_API_KEY" if by_itself else "the configuration"


MESSAGES: dict[Obstacle, Callable[[ClientConnectConfig, str], str]] = {
    Obstacle.NOBODY_LISTENS: lambda config, _: (
        f"no Temporal server answers at {_where(config)}: start one with `make up`, or set TEMPORAL_ADDRESS"
    ),
    Obstacle.NO_ANSWER: lambda config, how: (
        f"what listens at {_where(config)} gives no answer of a Temporal server's {how}: set TEMPORAL_ADDRESS to "
        "the address of its gRPC port, and look whether it is up"
    ),
    Obstacle.TLS_WANTED: lambda config, _: (
        f"the Temporal server at {_where(config)} speaks only TLS: set TEMPORAL_TLS=true, and "
        "TEMPORAL_TLS_SERVER_CA_CERT_PATH where its authority is your own"
    ),
    Obstacle.NO_TLS: lambda config, _: (
        f"the Temporal server at {_where(config)} speaks no TLS, but {_tls_source(config)} asks for it: set "
        "TEMPORAL_TLS=false for this server, or TEMPORAL_ADDRESS to another one"
    ),
    Obstacle.CERTIFICATE_REFUSED: lambda config, why: (
        f"the certificate of the Temporal server at {_where(config)} is not trusted ({_certificate_fault(why)}): set "
        "TEMPORAL_TLS_SERVER_CA_CERT_PATH to its authority's file, or TEMPORAL_TLS_SERVER_NAME to the name in it"
    ),
    Obstacle.CLIENT_CERTIFICATE: lambda config, _: (
        f"the Temporal server at {_where(config)} ended the TLS connection: it may want a certificate that it knows: "
        "set TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH"
    ),
    Obstacle.KEY_REFUSED: lambda _, why: (
        f"the Temporal server refuses the API key, or wants one ({_said(why)}): set TEMPORAL_API_KEY to a key that is "
        "valid now"
    ),
    Obstacle.NOT_PERMITTED: lambda _, why: (
        f"the Temporal server does not permit this ({_said(why)}): correct TEMPORAL_NAMESPACE and TEMPORAL_API_KEY, or "
        "give the key or the client's certificate the right to it; some servers answer a wrong key in this way too"
    ),
    Obstacle.UNKNOWN_NAMESPACE: lambda _, why: (
        f"the Temporal server has no such namespace ({_said(why)}): correct TEMPORAL_NAMESPACE, or make it with "
        "`temporal operator namespace create`"
    ),
}

_MESSAGE = re.compile(r'message: "((?:[^"\\]|\\.)*)"')


def _said(text: str) -> str:
    """Return what the server said, from the SDK's text or as it is."""
    found = _MESSAGE.search(text)
    return (found.group(1) if found else text).rstrip(".") or "it gives no reason"


def _certificate_fault(text: str) -> str:
    """Return what is wrong with a certificate, in words."""
    for sign, words in {
        "UnknownIssuer": "its authority is unknown",
        "NotValidForName": "it is for another host",
        "Expired": "it is out of date",
        "NotValidYet": "it is not valid yet",
        "CaUsedAsEndEntity": "it is an authority's own",
    }.items():
        if sign in text:
            return words
    return text.partition("InvalidCertificate(")[2].partition(")")[0] or "it is not valid"


async def _speaks_tls(address: str) -> bool:
    """Whether what listens at an address answers a TLS greeting. Nothing is sent after it."""
    host, _, port = address.rpartition(":")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    try:
        async with asyncio.timeout(PROBED_WITHIN):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port), ssl=context)
    except (OSError, ValueError, TimeoutError):
        return False
    writer.close()
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(PROBED_WITHIN):
            await writer.wait_closed()
    return True
