"""The process that killable processes are forked from: it imports once, has one thread, and reads no foreign text.

`python -m activities.adapters.foreign_work.fork_server DESCRIPTOR MODULE[:FUNCTION[:ARGUMENT]]...` imports the modules,
calls the functions, says on its socket how that went, and then serves until the worker closes the other end: by
closing it or by dying in any way. Its children die with it.
"""

import gc
import importlib
import json
import os
import socket
import struct
import sys
import time
from collections.abc import Sequence
from typing import Any, NoReturn

from activities.adapters.foreign_work import child
from activities.ports import raised_at

COMMAND = struct.Struct(">cQ")
"""A command, with a number."""
ANSWER = struct.Struct(">q")
"""The answer to a command, and the length of the first report."""
FORK = b"F"
"""Fork a process with this niceness; the answer is its pid. The socket that it serves and its file of progress are sent
along."""
REAP = b"R"
"""Forget the dead process with this pid, whose pid is not used again before; the answer is its exit code."""


def preload(entries: Sequence[str]) -> list[dict[str, Any]]:
    """Import and call what the entries name; return a report of each. What fails is tried again where it is needed."""
    reports: list[dict[str, Any]] = []
    for entry in entries:
        started = time.perf_counter()
        module, _, call = entry.partition(":")
        function, _, argument = call.partition(":")
        report: dict[str, Any] = {"loaded": entry, "error": None}
        try:
            imported = importlib.import_module(module)
            if function:
                getattr(imported, function)(*([argument] if argument else []))
        except Exception as error:  # noqa: BLE001 - reported
            report |= {"error": type(error).__name__, "where": raised_at(error)}
        reports.append(report | {"milliseconds": round((time.perf_counter() - started) * 1000, 2)})
    gc.collect()
    gc.freeze()  # children then write to fewer of the pages that they share
    return reports


def serve(control: socket.socket, reports: Sequence[dict[str, Any]]) -> NoReturn:
    """Report, then fork and reap as the worker asks. Never returns."""
    told = json.dumps(list(reports)).encode()
    control.sendall(ANSWER.pack(len(told)) + told)
    us = os.getpid()
    while True:
        try:
            command, descriptors, _, _ = socket.recv_fds(control, COMMAND.size, 2)
        except ConnectionResetError:
            os._exit(0)
        if len(command) < COMMAND.size:
            os._exit(0)
        kind, number = COMMAND.unpack(command)
        if kind == REAP:
            answer = os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])
        else:
            answer = os.fork()
            if answer == 0:
                control.close()
                child.serve(socket.socket(fileno=descriptors[0]), descriptors[1], us, number)
            for descriptor in descriptors:
                os.close(descriptor)
        control.sendall(ANSWER.pack(answer))


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), preload(sys.argv[2:]))
