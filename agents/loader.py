"""Loads chains and agents by name from the TOML files of a folder."""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from agents.agent_file import Grantable, parse_agent
from agents.chain_file import parse_chain
from agents.spec_file import BadSpec, read_toml
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
    """A spec that was read, with the time and size of its file at that moment."""

    modified_ns: int
    size: int
    spec: ChainSpec | AgentSpec


@dataclass(frozen=True)
class Specs:
    """The specs in a folder. A changed file is read again; runs in progress have pinned their own edition."""

    folder: Path
    tools: Mapping[str, Grantable] = field(default_factory=dict[str, Grantable])
    """The tools that agents can be granted, by name. Loading chains needs none."""
    _cache: dict[str, _Read] = field(default_factory=dict[str, _Read], init=False, repr=False, compare=False)

    def names(self, kind: Kind) -> list[str]:
        """Return the names of all chains or all agents. A file that cannot be read is neither."""
        names: list[str] = []
        for path in sorted(self.folder.glob("*.toml")):
            with suppress(BadSpec):
                if _NAME.fullmatch(path.stem) and _kind(path.stem, _bytes(path)) is kind:
                    names.append(path.stem)
        return names

    def chain(self, name: str) -> ChainSpec:
        """Return the chain of this name. Raises `BadSpec`."""
        return self._spec(name, Kind.CHAIN, ChainSpec, parse_chain)

    def agent(self, name: str) -> AgentSpec:
        """Return the agent of this name. Raises `BadSpec`."""
        return self._spec(name, Kind.AGENT, AgentSpec, lambda name, data: parse_agent(name, data, self.tools))

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

    def _spec(self, name: str, kind: Kind, shape: type[Spec], parse: Callable[[str, bytes], Spec]) -> Spec:
        path = self.folder / f"{name}.toml"
        if not _NAME.fullmatch(name):
            raise BadSpec(f"{name!r} is no name of a spec: use lower-case letters, digits and dashes")
        try:
            status = path.stat()
        except OSError:
            raise BadSpec(f"there is no {kind} {name!r}: {self._known_names(kind)}") from None
        cached = self._cache.get(name)
        # An edit changes the file's time or its size, so none is missed.
        if cached is None or (cached.modified_ns, cached.size) != (status.st_mtime_ns, status.st_size):
            cached = _Read(status.st_mtime_ns, status.st_size, self._parsed(name, kind, path, parse))
            self._cache[name] = cached
        if not isinstance(cached.spec, shape):
            raise self._wrong_kind(name, kind)
        return cached.spec

    def _parsed(self, name: str, kind: Kind, path: Path, parse: Callable[[str, bytes], Spec]) -> Spec:
        data = _bytes(path)
        if _kind(name, data) is not kind:
            raise self._wrong_kind(name, kind)
        return parse(name, data)

    def _wrong_kind(self, name: str, kind: Kind) -> BadSpec:
        is_a, asked_for = ("an agent", "a chain") if kind is Kind.CHAIN else ("a chain", "an agent")
        return BadSpec(f"agents/{name}.toml is {is_a}, and was asked for as {asked_for}: {self._known_names(kind)}")

    def _known_names(self, kind: Kind) -> str:
        return f"the {kind}s in {self.folder.name}/ are {', '.join(self.names(kind)) or 'none'}"


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadSpec(f"agents/{path.name} cannot be read: {error.strerror}: check its permissions") from None


def _kind(name: str, data: bytes) -> Kind:
    """Return the kind of spec in a file. Raises `BadSpec`."""
    where = f"agents/{name}.toml"
    kind = read_toml(where, data).get("kind", Kind.CHAIN.value)
    if kind not in list(Kind):
        known = " or ".join(f'"{name}"' for name in Kind)
        raise BadSpec(f"{where}: kind: {repr(kind)[:60]} is nothing that a file can describe: write {known}")
    return Kind(kind)
