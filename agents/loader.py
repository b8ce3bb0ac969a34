"""Finds chains and agents by their names among the TOML files of a folder."""

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
    """What a file describes, by its key `kind`; one without it describes a chain."""

    CHAIN = "chain"
    AGENT = "agent"


Spec = TypeVar("Spec", ChainSpec, AgentSpec)


@dataclass(frozen=True)
class _Read:
    """What a file held, and what told that edition from the one after it."""

    changed: int
    size: int
    spec: ChainSpec | AgentSpec


@dataclass(frozen=True)
class Specs:
    """The specs in a folder, read again when a file changes: running runs have pinned theirs."""

    folder: Path
    tools: Mapping[str, Grantable] = field(default_factory=dict[str, Grantable])
    """Those that agents can be granted. Who only asks for chains needs none."""
    _known: dict[str, _Read] = field(default_factory=dict[str, _Read], init=False, repr=False, compare=False)

    def names(self, kind: Kind) -> list[str]:
        """The chains or the agents that exist. A file that cannot be read is neither."""
        found: list[str] = []
        for path in sorted(self.folder.glob("*.toml")):
            with suppress(BadSpec):
                if _NAME.fullmatch(path.stem) and _kind(path.stem, _bytes(path)) is kind:
                    found.append(path.stem)
        return found

    def chain(self, name: str) -> ChainSpec:
        """The chain of this name. Raises `BadSpec`."""
        return self._spec(name, Kind.CHAIN, ChainSpec, parse_chain)

    def agent(self, name: str) -> AgentSpec:
        """The agent of this name. Raises `BadSpec`."""
        return self._spec(name, Kind.AGENT, AgentSpec, lambda name, data: parse_agent(name, data, self.tools))

    def guards(self) -> set[str]:
        """The guards that chains and agents name. One that cannot be used names none."""
        found: set[str] = set()
        for name in self.names(Kind.CHAIN):
            with suppress(BadSpec):
                chain = self.chain(name)
                found |= {guard.guard for guard in (*chain.screen, *chain.check)}
        for name in self.names(Kind.AGENT):
            with suppress(BadSpec):
                agent = self.agent(name)
                found |= {one.guard for one in (*agent.screen, *agent.arguments, *agent.results, *agent.check)}
        return found

    def _spec(self, name: str, kind: Kind, shape: type[Spec], parse: Callable[[str, bytes], Spec]) -> Spec:
        path = self.folder / f"{name}.toml"
        if not _NAME.fullmatch(name):
            raise BadSpec(f"{name!r} is no name of a spec: use lower-case letters, digits and dashes")
        try:
            seen = path.stat()
        except OSError:
            raise BadSpec(f"there is no {kind} {name!r}: {self._others(kind)}") from None
        known = self._known.get(name)
        # An edit changes the file's time or its size, and so is not missed.
        if known is None or (known.changed, known.size) != (seen.st_mtime_ns, seen.st_size):
            known = _Read(seen.st_mtime_ns, seen.st_size, self._parsed(name, kind, path, parse))
            self._known[name] = known
        if not isinstance(known.spec, shape):
            raise self._other(name, kind)
        return known.spec

    def _parsed(self, name: str, kind: Kind, path: Path, parse: Callable[[str, bytes], Spec]) -> Spec:
        data = _bytes(path)
        if _kind(name, data) is not kind:
            raise self._other(name, kind)
        return parse(name, data)

    def _other(self, name: str, kind: Kind) -> BadSpec:
        is_a, asked_for = ("an agent", "a chain") if kind is Kind.CHAIN else ("a chain", "an agent")
        return BadSpec(f"agents/{name}.toml is {is_a}, and was asked for as {asked_for}: {self._others(kind)}")

    def _others(self, kind: Kind) -> str:
        return f"the {kind}s in {self.folder.name}/ are {', '.join(self.names(kind)) or 'none'}"


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadSpec(f"agents/{path.name} cannot be read: {error.strerror}: check its permissions") from None


def _kind(name: str, data: bytes) -> Kind:
    """What a file describes. Raises `BadSpec`."""
    where = f"agents/{name}.toml"
    kind = read_toml(where, data).get("kind", Kind.CHAIN.value)
    if kind not in list(Kind):
        known = " or ".join(f'"{one}"' for one in Kind)
        raise BadSpec(f"{where}: kind: {repr(kind)[:60]} is nothing that a file can describe: write {known}")
    return Kind(kind)
