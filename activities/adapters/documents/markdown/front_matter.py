"""Reads the front matter of Markdown by a YAML reader, every value as the text that its author wrote."""

from typing import Any, cast

import yaml

from activities.adapters.documents.document import Outline
from activities.adapters.documents.metadata import NAMES

_USUAL = frozenset(
    [
        "author",
        "authors",
        "categories",
        "category",
        "created",
        "date",
        "description",
        "draft",
        "id",
        "keywords",
        "lang",
        "language",
        "lastmod",
        "layout",
        "owner",
        "permalink",
        "published",
        "replaces",
        "slug",
        "status",
        "subtitle",
        "summary",
        "tags",
        "title",
        "type",
        "updated",
        "version",
        "weight",
    ]
)
"""The names by which front matter is told from text between two rules; only some have a meaning here."""
_LONGEST = 65_536
_SHOWN = 60


class _Words(yaml.SafeLoader):
    """A YAML reader that keeps `1.10`, `2026-03-01` and `no` as they are written, and knows no aliases."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not read")
        return super().compose_node(parent, index)


_Words.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag == "tag:yaml.org,2002:null"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def stated(content: str, outline: Outline) -> dict[str, str] | None:
    """Return what front matter states; None for text that is no front matter, such as a paragraph between two rules.

    What is broken, or has no meaning here, is reported and left out.
    """
    names = {line.partition(":")[0].strip().lower() for line in content.splitlines() if ":" in line}
    if len(content) > _LONGEST or not names & _USUAL:
        return None
    try:
        read: Any = yaml.load(content, _Words)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f"line {mark.line + 2}"
        problem = getattr(error, "problem", None) or " ".join(str(error).split()) or type(error).__name__
        outline.lose(f"front matter that is no sound YAML ({problem[:_SHOWN]}): read line by line", where=where)
        read = _by_line(content)
    if not isinstance(read, dict):
        return None
    metadata: dict[str, str] = {}
    for key, value in cast("dict[Any, Any]", read).items():
        name = str(key).strip().lower()
        if name not in NAMES:
            outline.lose(f"metadata {name[:_SHOWN]!r}, which has no meaning here")
        elif isinstance(value, str):
            metadata[name] = value
        elif value is not None:
            outline.lose(f"metadata {name!r}, which is no single value")
    return metadata


def _by_line(content: str) -> dict[str, str]:
    """Return the names and values that stand on a line each, of text that is no YAML: `title: a: b`."""
    fields: dict[str, str] = {}
    for line in content.splitlines():
        name, colon, value = line.partition(":")
        if colon and name.strip().isidentifier() and not line[:1].isspace():
            fields[name] = value.strip().strip("\"'")
    return fields
