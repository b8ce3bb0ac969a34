"""The folders and files that the platform uses: its own ones, and those that an author adds."""

import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, cast, get_args

from pydantic import BeforeValidator, field_validator
from pydantic_settings import NoDecode

from activities.settings.groups import Group

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""

PROFILES = ROOT / "deploy" / "models"
"""The folder of the checkout's model catalogues."""

SHIPPED_TOOLS = ROOT / "tools"
"""The folder of the platform's own tools."""

Shipped: TypeAlias = Literal["agents", "tools", "schemas"]
"""A kind of thing that the checkout has folders of."""

EVERYTHING: tuple[Shipped, ...] = get_args(Shipped)


def _listed(value: object, separator: str) -> list[Any]:
    """Return the entries of a list as it is written in the environment: JSON, or text between separators."""
    if not isinstance(value, str):
        return list(cast("tuple[Any, ...]", value)) if isinstance(value, list | tuple) else [value]
    if not value.lstrip().startswith("["):
        return [entry.strip() for entry in value.split(separator) if entry.strip()]
    try:
        return list(cast("list[Any]", json.loads(value)))
    except ValueError:
        raise ValueError(f'it is no JSON: write ["/one", "/two"], or put {separator!r} between the entries') from None


def _folders(value: object) -> tuple[Path, ...]:
    """Return the folders that a setting names, each once."""
    folders: list[Path] = []
    for number, entry in enumerate(_listed(value, os.pathsep), start=1):
        if not isinstance(entry, str | Path) or "\0" in str(entry):
            raise ValueError(f"entry {number} is no path: write a folder's path, as in /srv/project/tools")
        folder = Path(entry).expanduser()
        if not folder.is_absolute():  # each process of a stack has a working directory of its own
            raise ValueError(f"entry {number} is no absolute path: write it from the root, as in /srv/project/tools")
        folders.append(Path(os.path.normpath(folder)))
    return tuple(dict.fromkeys(folders))


def _kept(value: object) -> tuple[object, ...]:
    """Return the kinds whose shipped folders stay; an empty text is the default, as if it were not set."""
    entries = _listed(value, ",")
    if value == "":
        return EVERYTHING
    return () if entries == ["none"] else tuple(entries)


Folders = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_folders)]
"""Folders that an author adds: `/one:/two`, with the separator of `PATH`, or a JSON list."""


class Paths(Group):
    """The folders and files that the platform uses."""

    state: Path = ROOT / "var"
    """The embedded stack's state: databases, the index, logs and traces."""
    models: Path = Path("~/.cache/perdure/models").expanduser()
    """Weights, shared by all checkouts of one user. Every file is verified by its SHA-256."""
    programs: Path = Path("~/.cache/perdure").expanduser()
    """Servers that are built once, shared by all checkouts of one user."""
    weights: Path | None = None
    """A file of weights that you already have, or a folder of them: used before anything is downloaded."""
    agents: Folders = ()
    """Your own folders of chain and agent specs, beside the shipped one. A folder `schemas` in one has schemas."""
    tools: Folders = ()
    """Your own folders of tools, beside the shipped one."""
    schemas: Folders = ()
    """Your own folders of schemas, beside the shipped one."""
    shipped: Annotated[tuple[Shipped, ...], NoDecode, BeforeValidator(_kept)] = EVERYTHING
    """The shipped folders that stay beside your own: `agents,tools,schemas`, fewer of them, or `none`."""
    catalogue: Path = PROFILES / "local.toml"
    """The model catalogue: a file, or the bare name of a profile in `deploy/models`: `local`, `sglang` or `cloud`."""

    @field_validator("catalogue")
    @classmethod
    def _profile(cls, path: Path) -> Path:
        return path if path.suffix or len(path.parts) > 1 else PROFILES / f"{path}.toml"

    @property
    def agent_folders(self) -> tuple[Path, ...]:
        """All folders of chain and agent specs: the shipped one first."""
        return (*self._shipped("agents", ROOT / "agents"), *self.agents)

    @property
    def tool_folders(self) -> tuple[Path, ...]:
        """All folders of tools: the shipped one first."""
        return (*self._shipped("tools", SHIPPED_TOOLS), *self.tools)

    @property
    def schema_folders(self) -> tuple[Path, ...]:
        """All folders of schemas: the shipped one first, then those inside of your folders of agents."""
        inside = [folder / "schemas" for folder in self.agents if (folder / "schemas").is_dir()]
        shipped = self._shipped("schemas", ROOT / "agents" / "schemas")
        return tuple(dict.fromkeys((*shipped, *inside, *self.schemas)))

    def _shipped(self, kind: Shipped, folder: Path) -> tuple[Path, ...]:
        return (folder,) if kind in self.shipped else ()
