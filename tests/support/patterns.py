"""Collects the regular expressions of our modules, and makes for each the texts that cost it most."""

import ast
import importlib
import pkgutil
import re
import time
from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import Any, cast

from activities.settings import ROOT

_parser = importlib.import_module("re._parser")

PACKAGES = ("activities", "agents", "tools", "perdure", "workflows")
"""The packages whose patterns may meet foreign text."""
_SAMPLES = {"CATEGORY_DIGIT": "1", "CATEGORY_SPACE": " ", "CATEGORY_WORD": "a", "CATEGORY_NOT_SPACE": "a"}
_CALLS = frozenset(["search", "match", "fullmatch", "split", "findall", "finditer", "sub", "subn"])
LETTERS = 6
"""The most letters of a pattern that are combined."""


def modules() -> Iterator[str]:
    """Yield the names of all modules of the packages, without those that start something when they are imported."""
    for package in PACKAGES:
        for found in pkgutil.walk_packages([str(ROOT / package)], f"{package}."):
            if not found.name.endswith(("__main__", ".env")) and "migrations" not in found.name:
                yield found.name


def patterns_in(module: str) -> dict[str, re.Pattern[Any]]:
    """Return the patterns of a module by place: its compiled ones, and those that are written in a call."""
    found: dict[str, re.Pattern[Any]] = {}
    path = ROOT.joinpath(*module.split("."))
    source = path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py"
    text = source.read_text()
    if "import re\n" not in text:
        return found
    for name, value in vars(importlib.import_module(module)).items():
        several: Sequence[Any] = cast("Sequence[Any]", value) if isinstance(value, (list, tuple)) else [value]
        found |= {f"{module}.{name}": each for each in several if isinstance(each, re.Pattern)}
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name("re"), attr=called),
                args=[ast.Constant(str(pattern) | bytes(pattern)), *_],
            ) if called in _CALLS - {"compile"}:
                found[f"{module}:{node.lineno}"] = re.compile(pattern)
            case _:
                pass
    return found


def texts_against(pattern: re.Pattern[Any], size: int) -> Iterator[Any]:
    """Yield texts of one repeated piece that the pattern begins to match again and again and never ends to."""
    letters: list[str] = []
    sample = _sample(_parser.parse(pattern.pattern, pattern.flags), letters)
    letters = list(dict.fromkeys(letters))[:LETTERS]
    pieces = [
        *letters,
        *("".join(pair) for pair in permutations(letters, 2)),
        sample,
        sample[:-1],
        sample[:-1] * 2 + "~",
    ]
    for piece in dict.fromkeys(piece for piece in pieces if piece):
        text = (piece * (size // len(piece) + 1))[:size] + "~"
        yield text.encode("latin-1", "ignore") if isinstance(pattern.pattern, bytes) else text


def seconds(pattern: re.Pattern[Any], text: Any) -> float:
    """Return the processor time of finding every match, also where nothing matches at all."""
    began = time.process_time()
    cast("Any", pattern).sub("" if isinstance(text, str) else b"", text)
    pattern.fullmatch(text)
    return time.process_time() - began


def _sample(parsed: Any, letters: list[str]) -> str:
    """Return a text that the pattern matches, roughly, and collect the letters that it knows."""
    out = ""
    for operation, argument in parsed:
        match str(operation):
            case "LITERAL":
                out += chr(argument)
                letters.append(chr(argument))
            case "NOT_LITERAL" | "ANY":
                out += "a"
                letters.append("a")
            case "IN":
                out += _of_class(argument, letters)
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                least, _, inner = argument
                out += _sample(inner, letters) * max(1, min(int(least), 40))
            case "SUBPATTERN":
                out += _sample(argument[-1], letters)
            case "ATOMIC_GROUP":
                out += _sample(argument, letters)
            case "BRANCH":
                out += next(iter([_sample(branch, letters) for branch in argument[1]]))
            case "ASSERT":
                _sample(argument[1], letters)
            case _:
                pass
    return out


def _of_class(members: Any, letters: list[str]) -> str:
    kinds = [(str(kind), value) for kind, value in members]
    if kinds[0][0] == "NEGATE":
        letters.append("a")
        return "a"
    each: list[str] = []
    for kind, value in kinds:
        match kind:
            case "LITERAL":
                each.append(chr(value))
            case "RANGE":
                each.append(chr(value[0]))
            case _:
                each.append(_SAMPLES.get(str(value), "a"))
    letters += each[:3]
    return each[0]
