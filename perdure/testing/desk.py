"""The desk of a stack: a small service that takes tickets and messages, and counts what it receives."""

import json
import urllib.request
from typing import Any, Literal

__all__ = ["Desk"]

Kind = Literal["tickets", "messages"]

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""An opener without proxies: the desk is on loopback."""


class Desk:
    """A client that reads the desk's counts."""

    def __init__(self, url: str) -> None:
        self.url = url

    def received(self, kind: Kind) -> dict[str, int]:
        """Return how often each key was received. A repeated request for a ticket with the same key counts twice."""
        return {str(key): int(count) for key, count in self._get("/received")[kind].items()}

    def kept(self, kind: Kind) -> list[dict[str, str]]:
        """Return what the desk stored, in order: `key`, `id`, and `title` and `text`, or `to` and `text`."""
        return [{str(name): str(value) for name, value in one.items()} for one in self._get("/kept")[kind]]

    def _get(self, path: str) -> dict[str, Any]:
        with _DIRECT.open(self.url + path, timeout=30) as answer:
            return dict(json.load(answer))
