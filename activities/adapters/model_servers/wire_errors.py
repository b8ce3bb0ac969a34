"""What a connection's failure means: nobody there, a wrong address, or a call whose cost is unknown."""

import ssl

import httpx

from activities.ports import ModelFailed, ModelUnreachable, ModelUnusable, PortError


def not_reached(deployment: str, error: Exception) -> PortError | None:
    """The port's error where nothing can have been sent; None where something may have been."""
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


def broken(deployment: str, error: Exception, *, answering: bool) -> PortError:
    """The port's error for a call whose connection failed."""
    where = "in the middle of the reply" if answering else "before it answered"
    return not_reached(deployment, error) or ModelFailed(
        f"{deployment}: the connection broke {where}: what the call cost is unknown"
    )


def shown(name: str) -> str:
    """A model's name as a message may show it: some servers name a model by the path of its files."""
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
