"""The desk of a stack: the small service that takes tickets and messages, and counts what it receives."""

import json
import urllib.request
from typing import Any, Literal

__all__ = ["Desk"]

Kind = Literal["tickets", "messages"]

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""It is on loopback: no proxy of the environment has a part in it."""


class Desk:
    """What the desk says of itself."""

    def __init__(self, url: str) -> None:
        self.url = url

    def received(self, kind: Kind) -> dict[str, int]:
        """How often each key was received. A ticket that is asked for again with its key is received twice."""
        return {str(key): int(count) for key, count in self._asked("/received")[kind].items()}

    def kept(self, kind: Kind) -> list[dict[str, str]]:
        """What came of it, in order: `key`, `id`, and `title` and `text`, or `to` and `text`."""
        return [{str(name): str(value) for name, value in one.items()} for one in self._asked("/kept")[kind]]

    def _asked(self, path: str) -> dict[str, Any]:
        with _DIRECT.open(self.url + path, timeout=30) as answer:
            return dict(json.load(answer))
