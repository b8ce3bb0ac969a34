"""The command that makes a project of an author's own: the files of `project/`, copied into a new folder."""

import re
from collections.abc import Iterator
from contextlib import suppress
from importlib.abc import Traversable
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

import perdure
from perdure.cli import options
from perdure.cli.output import Output
from perdure.contracts.contract import BadInput

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""The names that a project's folder may have."""

RENAMED = {"gitignore": ".gitignore"}
"""The files that are called differently in a project: under that name they would act on the package."""

CHECKOUT = "CHECKOUT ?= ../perdure"
"""The line of the project's Makefile that names the checkout."""


def new(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make; it must not exist, or be empty.")],
    *,
    checkout: Annotated[
        Path | None,
        typer.Option("--checkout", metavar="FOLDER", help="The checkout that runs it (default: this command's own)."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Make a project of your own: an agent, a tool, a chain, documents and a test. It runs as it is."""
    place = folder.absolute()
    runs_it = _checkout(checkout)
    _check_place(folder, place, runs_it)
    written = _write(place, runs_it)
    out = Output(as_json=as_json)
    if as_json:
        out.json({"folder": str(place), "checkout": runs_it and str(runs_it), "files": written})
        return
    out.answer(str(folder))
    out.note(f"{len(written)} files. Next: cd {folder}, then make up; its README.md has the rest.")
    if runs_it is None:
        out.note("It needs a checkout of Perdure or its image: name the checkout as CHECKOUT in its Makefile.")


def _checkout(given: Path | None) -> Path | None:
    """Return the checkout that runs the project; None where the command was installed without one."""
    root = Path(perdure.__file__).absolute().parents[1] if given is None else given.expanduser().absolute()
    if (root / "worker.py").is_file():
        return root
    if given is None:
        return None
    raise BadInput(f"--checkout: {str(given)!r} is no checkout of Perdure, it has no worker.py: name its folder")


def _check_place(folder: Path, place: Path, checkout: Path | None) -> None:
    """Raise `BadInput` for a place where no project can be."""
    name = place.resolve().name
    if not NAME.fullmatch(name):
        raise BadInput(f"DIR: {name!r} is no name of a project: use letters, digits, dots, dashes and underscores")
    if ":" in str(place.resolve()):
        raise BadInput(f"DIR: {str(place)!r} has a ':' in it, which separates folders in settings: name another place")
    if checkout is not None and place.resolve().is_relative_to(checkout.resolve()):
        raise BadInput(f"DIR: {str(folder)!r} lies within the checkout: name a folder outside of it, as ../{name}")
    try:
        if any(place.iterdir()):
            raise BadInput(f"DIR: {str(folder)!r} is not empty, and nothing is overwritten: name another folder")
    except FileNotFoundError:
        pass
    except OSError as error:
        raise BadInput(f"DIR: {str(folder)!r} cannot be used: {error.strerror}: name another folder") from None


def _write(place: Path, checkout: Path | None) -> list[str]:
    """Write the files, and return their names. After an error nothing is left. Raises `BadInput`."""
    made: list[Path] = []
    written: list[str] = []
    try:
        for name, source in _sources(files("perdure.cli").joinpath("project")):
            path = place / name
            made += _make_folders(path.parent)
            text = source.read_text(encoding="utf-8")
            if name == "Makefile" and checkout is not None:
                text = text.replace(CHECKOUT, f"CHECKOUT ?= {_in_make(checkout)}")
            with path.open("x", encoding="utf-8") as file:
                made.append(path)
                file.write(text)
            written.append(name)
    except OSError as error:
        for path in reversed(made):
            with suppress(OSError):  # a file that somebody else wrote there meanwhile stays
                path.rmdir() if path.is_dir() else path.unlink()
        raise BadInput(f"DIR: {str(place)!r} cannot be written: {error.strerror}: name another folder") from None
    return sorted(written)


def _sources(folder: Traversable, above: str = "") -> Iterator[tuple[str, Traversable]]:
    """Yield each file of the package's project, with its name in a project."""
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name.startswith(("__", ".")):  # what Python or a test wrote there
            continue
        if entry.is_dir():
            yield from _sources(entry, f"{above}{entry.name}/")
        else:
            yield f"{above}{RENAMED.get(entry.name, entry.name)}", entry


def _make_folders(folder: Path) -> list[Path]:
    """Make a folder and those above it; return those that were not there."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing[::-1]


def _in_make(path: Path) -> str:
    """Return a path as a Makefile writes it."""
    # A backslash before a # is doubled, and one more keeps the # from beginning a comment.
    return re.sub(r"(?<!\\)(\\*)#", r"\1\1\\#", str(path)).replace("$", "$$")
