"""A stub of SGLang: the stub model with SGLang's other endpoints. Its replies were recorded from the real server."""

import json
import time
from pathlib import Path
from typing import Any

from tests.support.servers.stub_model import Gone, StubHandler, StubModel

REPLIES = Path(__file__).resolve().parent / "sglang_replies"
"""Replies of SGLang 0.5.23, trimmed to status and body; those about adapters come from an experiment (README there)."""

SERVED = "smollm2"
"""The model that the recorded replies name."""


def recorded(name: str) -> dict[str, Any]:
    """Return a recorded reply as an item of the stub's script."""
    return dict(json.loads((REPLIES / f"{name}.json").read_text()))


class Text(str):
    """An endpoint's reply in plain text, such as metrics."""

    __slots__ = ()


class StubSGLang(StubModel):
    """The stub model with `/v1/models`, `/abort_request` and others."""

    def __init__(self) -> None:
        super().__init__(0, handler=_Doors)
        self.doors: dict[str, Any] = {"/v1/models": recorded("models")}
        """The reply of each endpoint; any other path is not found."""
        self.asked: list[tuple[str, str | None, Any]] = []
        """The requests to these endpoints: path, `Authorization` and body."""
        self.aborted: list[float] = []
        """The times of calls of `/abort_request`, in epoch seconds."""

    def asked_at(self, path: str) -> list[tuple[str | None, Any]]:
        """Return the `Authorization` and the body of the requests to one path."""
        return [(key, body) for where, key, body in self.asked if where == path]


class _Doors(StubHandler):
    server: StubSGLang  # pyright: ignore[reportIncompatibleVariableOverride] - the base names it more widely

    def do_POST(self) -> None:  # noqa: N802 - http.server's name
        if self.path.startswith("/v1/"):
            super().do_POST()
            return
        length = int(self.headers["Content-Length"])
        self._beside(json.loads(self.rfile.read(length)))

    def do_GET(self) -> None:  # noqa: N802 - http.server's name
        self._beside(None)

    def _beside(self, body: Any) -> None:
        self.server.asked.append((self.path, self.headers["Authorization"], body))
        if self.path == "/abort_request":
            self.server.aborted.append(time.time())
        try:
            meets = self.server.doors.get(self.path, {"status": 404, "body": {"detail": "Not Found"}})
            if isinstance(meets, Text):
                self.plain(meets.encode(), "text/plain")
            else:
                self.meet(meets, {})
        except (Gone, OSError):
            self.close_connection = True
