"""Cuts honest texts of a kind out of a file: passages of prose, tables, blocks of code, questions to somebody."""

import ast
import csv
import json
import random
import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any, cast

PARAGRAPHS = 8
"""The most paragraphs of one passage."""
WORDS = 12
"""The fewest words of a paragraph of prose."""
ROWS = (3, 40)
"""The fewest and the most rows of a table."""
COLUMNS = (2, 8)
"""The fewest and the most columns of a table that is made of records."""
CELL = 120
"""The longest cell of a table that is made of records, in characters."""
LINES = (4, 80)
"""The fewest and the most lines of a block of code."""
LINE = 1000
"""The longest line of a block of code, in characters: longer ones are data."""

_QUESTION = re.compile(
    r"(?<![\w/&?=])((?:How|What|Why|When|Where|Which|Who|Can|Could|Do|Does|Is|Are|Should|Will|Would|May|Did|Have|Has)\b"
    r"[^?\n.!:;`<>{}\[\]()|=/\\]{10,160}\?)(?=\s|$|[\"'*])"
)
_MESSAGE = re.compile(r"[\"']role[\"']: ?[\"']user[\"'], ?[\"']content[\"']: ?[\"']([^\"'\\{}]{8,600})[\"']")
_SENTENCE = re.compile(r"[A-Z][^.!?]{20,}[.!?:]")
_BARRED = re.compile(r"^[ |:+=-]*--[ |:+=-]*$")
_RULED = re.compile(r"^ *[=+-]{3,}([ +]+[=+-]{3,})+ *$")


def passages(text: str, chance: random.Random) -> Iterator[str]:
    """Yield passages of prose: one to eight paragraphs that follow one another, without the code between them."""
    paragraphs = [part.strip("\n") for part in re.split(r"\n\s*\n", text)]
    kept = [paragraph for paragraph in paragraphs if _is_prose(paragraph)]
    while kept:
        count = chance.randint(1, PARAGRAPHS)
        yield "\n\n".join(kept[:count])
        kept = kept[count:]


def docstrings(text: str) -> Iterator[str]:
    """Yield the docstrings of a Python module."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


def _is_prose(paragraph: str) -> bool:
    lines = paragraph.splitlines()
    letters = sum(character.isalpha() or character == " " for character in paragraph)
    return (
        len(paragraph.split()) >= WORDS
        and letters > 0.85 * len(paragraph)
        and _SENTENCE.search(paragraph) is not None
        and not any(line.startswith(("    ", "\t", "|", ">>>", "$ ")) for line in lines)
    )


def tables(text: str) -> Iterator[str]:
    """Yield the tables that stand in a page or a docstring, as they stand: Markdown's and reStructuredText's."""
    for in_table, row in groupby(text.splitlines(), lambda line: line.count("|") >= COLUMNS[0]):
        lines = list(row) if in_table else []
        if ROWS[0] <= len(lines) <= 2 * ROWS[1] and any(_BARRED.match(line) for line in lines):
            yield "\n".join(lines)
    lines = text.splitlines()
    rules = [number for number, line in enumerate(lines) if _RULED.match(line)]
    for first, last in zip(rules, rules[2:], strict=False):
        if ROWS[0] <= last - first <= 2 * ROWS[1] and "" not in lines[first:last]:
            yield "\n".join(lines[first : last + 1])


def records(text: str, chance: random.Random) -> Iterator[str]:
    """Yield tables made of records that a data file holds, in one of the layouts that tables come in."""
    for rows in _json_rows(text) if text.lstrip()[:1] in ("{", "[") else _csv_rows(text):
        header, kept = rows[0], rows[1:]
        while len(kept) >= ROWS[0]:
            count = chance.randint(*ROWS)
            yield laid_out(header, kept[:count], chance)
            kept = kept[count:]


def laid_out(header: list[str], rows: list[list[str]], chance: random.Random) -> str:
    """Lay a table out: as CSV, in Markdown, by tabs, or with the header beside every cell, as the index keeps it."""
    match chance.choice(["csv", "markdown", "tabs", "named"]):
        case "csv":
            return "\n".join(",".join(row) for row in [header, *rows])
        case "tabs":
            return "\n".join("\t".join(row) for row in [header, *rows])
        case "markdown":
            ruled = [header, ["---"] * len(header), *rows]
            return "\n".join(f"| {' | '.join(row)} |" for row in ruled)
        case _:
            return "\n".join(
                "; ".join(f"{name}: {cell}" for name, cell in zip(header, row, strict=True)) for row in rows
            )


def _csv_rows(text: str) -> Iterator[list[list[str]]]:
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        rows = list(csv.reader(lines, delimiter="\t" if text.count("\t") > text.count(",") else ","))
    except csv.Error:
        return
    for width, same in groupby(rows, len):
        kept = [[cell[:CELL] for cell in row[: COLUMNS[1]]] for row in same]
        if width >= COLUMNS[0] and len(kept) > ROWS[0]:
            yield kept


def _json_rows(text: str) -> Iterator[list[list[str]]]:
    try:
        loaded: Any = json.loads(text)
    except ValueError:
        return
    waiting = [loaded]
    while waiting:
        value: Any = waiting.pop()
        if isinstance(value, dict):
            value = list(cast("dict[str, Any]", value).values())
        if not isinstance(value, list):
            continue
        items = cast("list[Any]", value)
        waiting += items
        alike = [cast("dict[str, Any]", one) for one in items if isinstance(one, dict)]
        names = [name for name in (alike[0] if alike else {}) if all(_is_cell(one.get(name)) for one in alike[:20])]
        names = names[: COLUMNS[1]]
        if len(alike) > ROWS[0] and len(names) >= COLUMNS[0]:
            yield [names, *([str(one.get(name, ""))[:CELL] for name in names] for one in alike)]


def _is_cell(value: object) -> bool:
    return isinstance(value, str | int | float) and value != ""


def blocks(text: str, chance: random.Random) -> Iterator[str]:
    """Yield blocks of code of four to eighty lines, cut at blank lines where there are some."""
    lines = text.splitlines()
    while len(lines) >= LINES[0]:
        count = chance.randint(*LINES)
        count = next((at for at in range(count, min(count + 20, len(lines))) if not lines[at].strip()), count)
        block = "\n".join(lines[:count]).strip("\n")
        if block.count("\n") + 1 >= LINES[0] and max(map(len, block.splitlines())) <= LINE:
            yield block
        lines = lines[count:]


def messages(text: str) -> Iterator[str]:
    """Yield questions that a page or a program puts to a person, and the messages of users in its examples."""
    yield from _MESSAGE.findall(text)
    yield from _QUESTION.findall(text)
