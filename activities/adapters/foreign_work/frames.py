"""The messages between a worker and the processes that it kills: a length, a header in JSON, and bytes as they are.

Nothing is pickled: a process that a hostile document took over could otherwise run code in the worker.
"""

import asyncio
import json
import socket
import struct
from collections.abc import Mapping
from typing import Any, cast

SMALL = 1 << 16
"""The size in bytes below which a message is sent as one piece: the other side is woken once."""
_REQUEST = struct.Struct(">II")
_REPLY = struct.Struct(">?I")


def request(header: Mapping[str, Any], payload: bytes) -> bytes:
    """Return a request without its payload, which is sent after it as it is."""
    encoded = json.dumps(header).encode()
    return _REQUEST.pack(len(encoded), len(payload)) + encoded


class Exchange:
    """One request, and its reply as it arrives: no task and no thread waits for it. Close it before its socket."""

    def __init__(self, peer: socket.socket, header: Mapping[str, Any], payload: bytes, longest: int) -> None:
        """Send the request.

        `reply` becomes whether the other side returned a result, and its bytes. It raises `EOFError` where the process
        is gone and `OverflowError` for a reply of more than `longest` bytes.
        """
        self._loop = asyncio.get_running_loop()
        self._peer = peer
        self._descriptor = peer.fileno()
        self._longest = longest
        start = request(header, payload)
        self._unsent = [start + payload] if len(payload) < SMALL else [start, payload]
        self._sent = 0
        self._waiting = False
        self._received = bytearray()
        self.reply: asyncio.Future[tuple[bool, bytes]] = self._loop.create_future()
        self._loop.add_reader(self._descriptor, self._receive)
        self._send()

    def close(self) -> None:
        """Stop to send and to listen."""
        self._stop()
        if not self.reply.done():
            self.reply.cancel()

    def _stop(self) -> None:
        if self._descriptor >= 0:  # later the same number may be another socket's
            self._loop.remove_reader(self._descriptor)
            self._loop.remove_writer(self._descriptor)
            self._descriptor = -1

    def _send(self) -> None:
        try:
            while self._unsent:
                self._sent += self._peer.send(memoryview(self._unsent[0])[self._sent :])
                if self._sent == len(self._unsent[0]):
                    del self._unsent[0]
                    self._sent = 0
            if self._waiting:
                self._loop.remove_writer(self._descriptor)
        except BlockingIOError:
            self._waiting = True
            self._loop.add_writer(self._descriptor, self._send)
        except OSError:
            self._end(EOFError())

    def _receive(self) -> None:
        try:
            data = self._peer.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._end(EOFError())
            return
        self._received += data
        if len(self._received) < _REPLY.size:
            return
        returned, length = cast("tuple[bool, int]", _REPLY.unpack_from(self._received))
        if length > self._longest:
            self._end(OverflowError())
        elif len(self._received) >= _REPLY.size + length and not self.reply.done():
            self.reply.set_result((returned, bytes(self._received[_REPLY.size : _REPLY.size + length])))

    def _end(self, error: Exception) -> None:
        self._stop()
        if not self.reply.done():
            self.reply.set_exception(error)


def next_request(peer: socket.socket) -> tuple[dict[str, Any], bytes] | None:
    """Wait for a request and return its header and its payload; None where nobody asks any more."""
    start = _read(peer, _REQUEST.size)
    if len(start) < _REQUEST.size:
        return None
    header_length, payload_length = _REQUEST.unpack(start)
    return json.loads(_read(peer, header_length)), _read(peer, payload_length)


def reply(peer: socket.socket, *, returned: bool, data: bytes) -> None:
    """Send a reply."""
    start = _REPLY.pack(returned, len(data))
    if len(data) < SMALL:
        peer.sendall(start + data)
    else:
        peer.sendall(start)
        peer.sendall(data)


def _read(peer: socket.socket, length: int) -> bytes:
    data = bytearray()
    while len(data) < length and (piece := peer.recv(min(length - len(data), 1 << 18))):
        data += piece
    return bytes(data)
