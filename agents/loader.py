"""Loads chains and agents by name from the TOML files of one or several folders."""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from agents.agent_file import Grantable, parse_agent
from agents.chain_file import parse_chain
from agents.spec_file import BadSpec, read_toml
from agents.spec_folders import SpecFolders, label, unreadable
from perdure.contracts.agents.agent import AgentSpec
from perdure.contracts.chains.spec import ChainSpec

__all__ = ["BadSpec", "Kind", "Specs"]

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class Kind(StrEnum):
    """The kind of spec in a file, by its key `kind`; a file without that key is a chain."""

    CHAIN = "chain"
    AGENT = "agent"


Spec = TypeVar("Spec", ChainSpec, AgentSpec)


@dataclass(frozen=True)
class _Read:
    """A spec that was read, with its file, and the file's time and size at that moment."""

    path: Path
    modified_ns: int
    size: int
    spec: ChainSpec | AgentSpec


@dataclass(frozen=True)
class Specs:
    """The specs in some folders. A changed file is read again; runs in progress have pinned their own edition."""

    folders: Sequence[Path]
    tools: Mapping[str, Grantable] = field(default_factory=dict[str, Grantable])
    """The tools that agents can be granted, by name. Loading chains needs none."""
    _cache: dict[str, _Read] = field(default_factory=dict[str, _Read], init=False, repr=False, compare=False)

    def names(self, kind: Kind) -> list[str]:
        """Return the names of all chains or all agents. A file that cannot be read is neither."""
        names: list[str] = []
        for name in self._files.names():
            with suppress(BadSpec):
                found = self._files.file(name) if _NAME.fullmatch(name) else None
                if found is not None and _kind(found[0], _bytes(found[0])) is kind:
                    names.append(name)
        return names

    def clashes(self) -> list[str]:
        """Return a line for each name that two files have."""
        return self._files.clashes()

    def chain(self, name: str) -> ChainSpec:
        """Return the chain of this name. Raises `BadSpec`."""
        return self._spec(name, Kind.CHAIN, ChainSpec, lambda path, data: parse_chain(name, data, label(path)))

    def agent(self, name: str) -> AgentSpec:
        """Return the agent of this name. Raises `BadSpec`."""
        return self._spec(
            name, Kind.AGENT, AgentSpec, lambda path, data: parse_agent(name, data, self.tools, label(path))
        )

    def guards(self) -> set[str]:
        """Return the guards that chains and agents name. A file that cannot be used is left out."""
        guards: set[str] = set()
        for name in self.names(Kind.CHAIN):
            with suppress(BadSpec):
                chain = self.chain(name)
                guards |= {guard.guard for guard in (*chain.screen, *chain.check)}
        for name in self.names(Kind.AGENT):
            with suppress(BadSpec):
                agent = self.agent(name)
                guards |= {spec.guard for spec in (*agent.screen, *agent.arguments, *agent.results, *agent.check)}
        return guards

    @property
    def _files(self) -> SpecFolders:
        return SpecFolders(self.folders)

    def _spec(self, name: str, kind: Kind, shape: type[Spec], parse: Callable[[Path, bytes], Spec]) -> Spec:
        if not _NAME.fullmatch(name):
            raise BadSpec(f"{name!r} is no name of a spec: use lower-case letters, digits and dashes")
        found = self._files.file(name)
        if found is None:
            raise BadSpec(f"there is no {kind} {name!r}: {self._known_names(kind)}")
        path, status = found
        cached = self._cache.get(name)
        # An edit changes the file's time or its size, so none is missed.
        if cached is None or (cached.path, cached.modified_ns, cached.size) != (
            path,
            status.st_mtime_ns,
            status.st_size,
        ):
            cached = _Read(path, status.st_mtime_ns, status.st_size, self._parsed(path, kind, parse))
            self._cache[name] = cached
        if not isinstance(cached.spec, shape):
            raise self._wrong_kind(path, kind)
        return cached.spec

    def _parsed(self, path: Path, kind: Kind, parse: Callable[[Path, bytes], Spec]) -> Spec:
        data = _bytes(path)
        if _kind(path, data) is not kind:
            raise self._wrong_kind(path, kind)
        return parse(path, data)

    def _wrong_kind(self, path: Path, kind: Kind) -> BadSpec:
        is_a, asked_for = ("an agent", "a chain") if kind is Kind.CHAIN else ("a chain", "an agent")
        return BadSpec(f"{label(path)} is {is_a}, and was asked for as {asked_for}: {self._known_names(kind)}")

    def _known_names(self, kind: Kind) -> str:
        return f"the {kind}s in {self._files} are {', '.join(self.names(kind)) or 'none'}"


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from None


def _kind(path: Path, data: bytes) -> Kind:
    """Return the kind of spec in a file. Raises `BadSpec`."""
    where = label(path)
    kind = read_toml(where, data).get("kind", Kind.CHAIN.value)
    if kind not in list(Kind):
        known = " or ".join(f'"{name}"' for name in Kind)
        raise BadSpec(f"{where}: kind: {repr(kind)[:60]} is nothing that a file can describe: write {known}")
    return Kind(kind)
