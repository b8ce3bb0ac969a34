"""The known `PERDURE_` names: those of settings, and those that other programs read."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

PREFIX, DELIMITER = "PERDURE_", "__"

READ_BY_OTHERS = frozenset({"PERDURE_TENANT", "PERDURE_TOKEN", "PERDURE_UI"})
"""The names that the command line reads. A worker may be started from the same shell."""


def setting_names(tree: type[BaseModel], place: Sequence[str] = ()) -> Iterator[tuple[str, Any]]:
    """Return the name and the type of every setting, groups included."""
    for step, field in tree.model_fields.items():
        yield name_of([*place, step]), field.annotation
        model = model_of(field.annotation)
        if model is not None:
            yield from setting_names(model, [*place, step])


def known_names(tree: type[BaseModel]) -> list[str]:
    """Return every known name."""
    return [*(name for name, _ in setting_names(tree)), *sorted(READ_BY_OTHERS)]


def unknown(tree: type[BaseModel], names: Iterable[str]) -> list[str]:
    """Return the names, in capitals, that belong to no group of settings and that no other program reads.

    pydantic-settings looks up only names of known groups, so it would ignore `PERDURE_MODLE__ENDPOINTS`.
    """
    ours = sorted({name.upper() for name in names if name.upper().startswith(PREFIX)} - READ_BY_OTHERS)
    groups = [name_of([group]) for group in tree.model_fields]
    return [name for name in ours if not _of_kubernetes(name, ours) and not any(_within(name, each) for each in groups)]


def secret_files(folder: Path) -> list[Path]:
    """Return the files of a folder whose names begin with the prefix; none if it cannot be read."""
    try:
        return [path for path in folder.iterdir() if path.name.upper().startswith(PREFIX) and path.is_file()]
    except OSError:
        return []


def name_of(place: Sequence[str]) -> str:
    """Return the name of the setting at a place in the tree."""
    return PREFIX + DELIMITER.join(place).upper()


def model_of(kind: Any) -> type[BaseModel] | None:
    """Return the model of a type or of an optional type; None for any other."""
    kinds = [kind, *get_args(kind)] if getattr(kind, "__origin__", None) is not dict else []
    return next((each for each in kinds if isinstance(each, type) and issubclass(each, BaseModel)), None)


def _within(name: str, group: str) -> bool:
    return name == group or name.startswith(group + DELIMITER)


def _of_kubernetes(name: str, names: Iterable[str]) -> bool:
    """Return whether Kubernetes set a variable: it gives every pod the address of a service such as `perdure-desk`."""
    hosts = [each.removesuffix("_SERVICE_HOST") for each in names if each.endswith("_SERVICE_HOST")]
    return any(name.startswith((f"{host}_SERVICE_", f"{host}_PORT")) for host in hosts if DELIMITER not in host)
