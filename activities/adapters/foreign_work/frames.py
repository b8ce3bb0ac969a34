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


async def ask(peer: socket.socket, header: Mapping[str, Any], payload: bytes, longest: int) -> tuple[bool, bytes]:
    """Send a request and return the reply: whether it is a result, and its bytes.

    Raises `EOFError` where the process is gone and `OverflowError` for a reply of more than `longest` bytes.
    """
    loop = asyncio.get_running_loop()
    try:
        start = request(header, payload)
        if len(payload) < SMALL:
            await loop.sock_sendall(peer, start + payload)
        else:
            await loop.sock_sendall(peer, start)
            await loop.sock_sendall(peer, payload)
        returned, length = cast("tuple[bool, int]", _REPLY.unpack(await _receive(peer, _REPLY.size)))
        if length > longest:
            raise OverflowError
        return returned, bytes(await _receive(peer, length))
    except (BrokenPipeError, ConnectionResetError):
        raise EOFError from None


async def _receive(peer: socket.socket, length: int) -> bytearray:
    loop = asyncio.get_running_loop()
    data = bytearray(length)
    rest = memoryview(data)
    while rest:
        count = await loop.sock_recv_into(peer, rest)
        if count == 0:
            raise EOFError
        rest = rest[count:]
    return data


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
