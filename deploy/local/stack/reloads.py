"""Gives changed tools, specs and settings files to the worker: another one starts, and then the old one ends.

A worker reads tools, the catalogue and secret files once, at its start; specs and schemas are read anew for every run.
So a change of the former starts another worker beside the old one, after a check, and the old one ends once the other
serves: until then it goes on, also where the other one never serves. A change of the latter is only checked.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from activities.settings import ROOT, environment_with
from deploy.local.stack.check_sources import shown
from deploy.local.stack.sources import Contents, Reader, Sources, changed, next_burst
from deploy.local.stack.supervisor import Supervisor, Work, say
from deploy.processes.errors import DeployError, ProcessDied
from deploy.processes.process import Process, bound_to_this_process
from deploy.processes.state_file import GRACE_SECONDS

CHECK_SECONDS = 60.0
"""The longest check, in seconds: the code of a tool may hang while it is imported."""

SHOWN = 3
"""The most files that a line names."""


@dataclass(frozen=True)
class Mistakes:
    """The mistakes in an author's files, one line each."""

    fatal: tuple[str, ...] = ()
    """Those that a worker cannot start with."""
    specs: tuple[str, ...] = ()
    """Those that only stop the runs that name the spec."""


class Reloads:
    """The files that the worker runs with, and what is done when they change."""

    def __init__(self, sources: Sources, environment: Mapping[str, str]) -> None:
        """Read the files as they are now, before a worker is started. `environment` is a worker's, beside our own."""
        self._sources = sources
        self._environment = environment
        self._reader = Reader()
        self._seen = self._all()
        self._served = self._code()
        self._mistakes = Mistakes()

    def require_usable(self) -> None:
        """Raise `DeployError` where a worker cannot start with the files; report the mistakes in specs."""
        check = self._check()
        while True:
            try:
                next(check)
            except StopIteration as end:
                self._report(end.value)
                break
            time.sleep(0.05)
        if self._mistakes.fatal:
            raise DeployError("\n  ".join(("the worker cannot start with these files:", *self._mistakes.fatal)))

    def broken(self) -> bool:
        """Return whether a worker cannot start with the files as they are."""
        return bool(self._mistakes.fatal)

    def follow(self, worker: Process, new_worker: Callable[[], Process], supervisor: Supervisor) -> Work:
        """Follow the files for ever, and replace the worker by another one where it needs that."""
        while True:
            files, self._seen = yield from next_burst(self._all, self._seen)
            code = self._code()
            mistakes = yield from self._check()
            names = _names(files)
            self._report(mistakes)
            if code == self._served:
                say(f"changed: {names}; runs that start from now on use it")
            elif mistakes.fatal:
                waiting = _names(changed(self._served, code))
                say(f"the worker goes on as it was before the change of {waiting}: mend it, and it is used")
            else:
                say(f"changed: {names}; a new worker is starting with it")
                other = yield from self._replace(worker, new_worker(), supervisor)
                if other is not worker:
                    worker, self._served = other, code

    def _replace(self, old: Process, new: Process, supervisor: Supervisor) -> Generator[None, None, Process]:
        """Start a worker beside the old one; once it serves, let the old one end. Return the one that serves."""
        began = time.monotonic()
        new.launch(supervisor.started(new), adds_to_log=True)
        supervisor.add(new)
        try:
            while not new.is_ready():
                yield
        except ProcessDied as death:
            new.clear()
            supervisor.remove(new)
            say(f"the new worker did not start: {death.how}; its log: {new.log}")
            for line in death.lines[-SHOWN:]:
                say(f"  {line}")
            say("the old worker goes on; the next change of a file starts a new one")
            return old
        supervisor.leave(old)
        supervisor.tend(new)
        old.ask_to_end()
        deadline = time.monotonic() + GRACE_SECONDS
        took = time.monotonic() - began
        say(f"the new worker is ready ({took:.1f} s) and uses the change; the old one finishes its effects and ends")
        while old.running() and time.monotonic() < deadline:
            yield
        old.clear()
        supervisor.remove(old)
        return new

    def _check(self) -> Generator[None, None, Mistakes]:
        """Check the files in a fresh process, and return the mistakes."""
        with tempfile.TemporaryFile() as out:
            process = subprocess.Popen(
                [*bound_to_this_process(), sys.executable, "-m", "deploy.local.stack.check_sources"],
                cwd=ROOT,
                env=environment_with(**self._environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            deadline = time.monotonic() + CHECK_SECONDS
            try:
                while process.poll() is None and time.monotonic() < deadline:
                    yield
            finally:
                process.kill()
                code = process.wait()
            out.seek(0)
            return _read(out.read().decode(errors="replace"), code)

    def _report(self, mistakes: Mistakes) -> None:
        """Print the mistakes that were not printed before."""
        known = {*self._mistakes.fatal, *self._mistakes.specs}
        for line in (*mistakes.fatal, *mistakes.specs):
            if line not in known:
                say(line)
        self._mistakes = mistakes

    def _all(self) -> Contents:
        return self._reader.contents((*self._sources.code, *self._sources.specs))

    def _code(self) -> Contents:
        return self._reader.contents(self._sources.code)


def _read(output: str, code: int) -> Mistakes:
    """Return the mistakes in the output of a check. One that ended without them is a mistake itself."""
    last = next(reversed(output.splitlines()), "")
    try:
        found = TypeAdapter(dict[str, tuple[str, ...]]).validate_python(json.loads(last))
        return Mistakes(found["fatal"], found["specs"])
    except (ValueError, ValidationError, KeyError):
        late = f"took longer than {CHECK_SECONDS:.0f} s" if code < 0 else f"ended with exit code {code}"
        return Mistakes((f"the check of tools and specs {late}: {last or 'it printed nothing'}",))


def _names(files: Iterable[Path]) -> str:
    names = sorted(map(shown, files))
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
