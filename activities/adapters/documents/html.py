"""Reads HTML: the article of a page, without navigation and other parts of the page."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from selectolax.lexbor import LexborHTMLParser, LexborNode

from activities.adapters.documents.document import Document, Outline, assemble, unreadable

_PAGE = (
    "nav, footer, aside, script, style, form, template, noscript, iframe, svg, button, dialog, [hidden], "
    "[role=navigation], [role=banner], [role=contentinfo], [role=search], [aria-hidden=true]"
)
"""The elements that belong to the page and not to the article."""

_INLINE = frozenset(
    [
        "a",
        "abbr",
        "b",
        "bdi",
        "bdo",
        "cite",
        "code",
        "data",
        "del",
        "dfn",
        "em",
        "font",
        "i",
        "img",
        "ins",
        "kbd",
        "label",
        "mark",
        "q",
        "s",
        "samp",
        "small",
        "span",
        "strong",
        "sub",
        "sup",
        "time",
        "tt",
        "u",
        "var",
        "wbr",
    ]
)
"""The tags within a line; every other tag begins and ends a line."""

_META = {"id": "DC.identifier", "version": "DC.hasVersion", "date": "DC.date", "replaces": "DC.replaces"}
_CHARSET = re.compile(rb"""<meta[^<>]{1,1000}?charset\s*=\s*["']?([\w-]+)""", re.IGNORECASE)
_MAX_DEPTH = 400
"""The deepest nesting of tags that is read; only a page that attacks readers is deeper."""


def read_html(path: Path, data: bytes) -> Document:
    """Read an HTML page: its `main` or `article` if it has one, else its body, without navigation and similar parts.

    Metadata is in `<title>` and the meta names `DC.identifier`, `DC.hasVersion`, `DC.date` and `DC.replaces`; each may
    be missing. Raises `UnreadableDocument` for bytes that are not in the page's encoding (UTF-8 unless it names
    another), for a page that is nested too deeply, and for one without text.
    """
    declared = _CHARSET.search(data[:2048])
    charset = declared[1].decode("ascii") if declared else "utf-8"
    try:
        text = data.decode("utf-8-sig" if charset.lower() in {"utf-8", "utf8"} else charset)
    except LookupError:
        raise unreadable(path, f"its encoding is {charset!r}, which is unknown", "save the file as UTF-8") from None
    except UnicodeDecodeError as error:
        raise unreadable(path, f"byte {error.start} is not {charset}", "save the file as UTF-8") from None
    page = LexborHTMLParser(text)
    metadata = _metadata(page)
    articles = page.css("main") or page.css("article")
    # A header inside an article has the article's heading; a header outside belongs to the page.
    for element in page.css(_PAGE if articles else f"{_PAGE}, header"):
        element.decompose()
    reader = _ArticleReader()
    for root in articles or page.css("body"):
        reader.children(root, 0)
        reader.flush()
    if reader.too_deep:
        raise unreadable(path, f"its tags are nested more than {_MAX_DEPTH} deep", "save a simpler page")
    return assemble(path, metadata, reader.outline)


def plain_text(fragment: str) -> str:
    """Return the text of a fragment of HTML, without its tags."""
    body = LexborHTMLParser(fragment).body
    return "" if body is None else body.text(separator=" ")


def _metadata(page: LexborHTMLParser) -> dict[str, str]:
    metadata: dict[str, str] = {}
    title = page.css_first("head > title")
    if title is not None:
        metadata["title"] = title.text()
    contents = {
        (meta.attributes.get("name") or "").lower(): meta.attributes.get("content") or "" for meta in page.css("meta")
    }
    for name, meta in _META.items():
        metadata[name] = contents.get(meta.lower(), "")
    return metadata


@dataclass
class _ArticleReader:
    """Reads an article from top to bottom; collects words and adds them to the outline when a block ends."""

    outline: Outline = field(default_factory=Outline)
    words: list[str] = field(default_factory=list[str])
    item: bool = False
    """Whether the words are the first line of a list item."""
    term: str = ""
    """The term whose definition comes next."""
    too_deep: bool = False

    def children(self, node: LexborNode, depth: int) -> None:
        """Visit the children of a node."""
        if depth > _MAX_DEPTH:
            self.too_deep = True
            return
        for child in node.iter(include_text=True):
            if child.is_text_node:
                self.words.append(child.text_content or "")
            elif child.is_element_node:
                self.element(child, child.tag or "", depth)

    def element(self, node: LexborNode, tag: str, depth: int) -> None:
        """Visit one element."""
        if tag in _INLINE:
            self.children(node, depth + 1)
            return
        self.flush()
        if re.fullmatch(r"h[1-6]", tag):
            self.outline.heading(int(tag[1]), node.text())
        elif tag == "table":
            _table(node, self.outline)
        elif tag == "pre":
            for line in node.text().splitlines():
                self.outline.line(line)
        elif tag == "dt":
            self.term = f"{self.term}, {node.text().strip()}" if self.term else node.text().strip()
        elif tag == "dd":
            self.outline.line(f"{self.term}: {node.text()}" if self.term else node.text())
            self.term = ""
        else:
            self.item = self.item or tag == "li"
            self.children(node, depth + 1)
            self.flush()
            self.item = self.item and tag != "li"

    def flush(self) -> None:
        """End the current line and add it to the outline."""
        text = "".join(self.words)
        self.words = []
        if self.item:
            self.outline.item(text)
        else:
            self.outline.line(text)
        self.item = self.item and not text.strip()


def _table(table: LexborNode, outline: Outline) -> None:
    """Read a table. Its first row is the header if it has header cells or is in a `thead`."""
    for caption in table.css("caption"):
        outline.line(caption.text())
    rows = [[cell.text(separator=" ") for cell in row.css("th, td")] for row in table.css("tr")]
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    first_row = table.css_first("tr")
    has_header = first_row is not None and (
        len(first_row.css("th")) > 1
        or (len(rows) > 1 and first_row.parent is not None and first_row.parent.tag == "thead")
    )
    outline.table(rows[0] if has_header else (), rows[1:] if has_header else rows)
