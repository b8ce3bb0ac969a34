"""Turns a failed connection into a port error: no server, a wrong address, or a call whose cost is unknown."""

import ssl

import httpx

from activities.ports import ModelFailed, ModelUnreachable, ModelUnusable, PortError


def unreachable_error(deployment: str, error: Exception) -> PortError | None:
    """Return the port's error if nothing was sent; None if something may have been sent."""
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        if _is_certificate(error):
            return ModelUnusable(
                f"{deployment}: the certificate of its endpoint is not valid here: correct the address, or name its "
                "authority by SSL_CERT_FILE"
            )
        return ModelUnreachable(f"{deployment}: nothing answers at its endpoint: is the model server running?")
    if isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError | httpx.InvalidURL):
        return ModelUnusable(f"{deployment}: its endpoint or key is no valid one: correct it")
    return None


def connection_error(deployment: str, error: Exception, *, reply_started: bool) -> PortError:
    """Return the port's error for a call whose connection failed."""
    where = "in the middle of the reply" if reply_started else "before it answered"
    return unreachable_error(deployment, error) or ModelFailed(
        f"{deployment}: the connection broke {where}: what the call cost is unknown"
    )


def display_name(name: str) -> str:
    """Return a model's name for a message. A path is hidden: some servers name a model by the path of its files."""
    return "a path" if name.startswith(("/", ".", "~")) or ":\\" in name else repr(name[:80])


def _is_certificate(error: BaseException) -> bool:
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        if isinstance(link, ssl.SSLError):
            return True
        seen.add(id(link))
        link = link.__cause__ or link.__context__
    return False
