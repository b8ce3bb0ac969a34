"""Reads HTML: the article of a page, without navigation and other parts of the page."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from selectolax.lexbor import LexborHTMLParser, LexborNode

from activities.adapters.documents.charsets import decode_page
from activities.adapters.documents.document import Document, Outline, assemble, unreadable
from activities.adapters.documents.html import tables as html_tables
from activities.adapters.documents.html.text import INLINE, text_of

_CONTROLS = "button, select, input, textarea, datalist, output, progress, meter"
_SILENT = "script, style, template, link, meta"
"""What no reader of the page sees."""
_LEFT_OUT = {
    "form control": f"{_CONTROLS}, [role=button]",
    "navigation": "nav, [role=navigation], [role=search]",
    "footer of the page": "footer, [role=contentinfo]",
    "header of the page": "[role=banner]",
    "side note of the page": "aside, [role=complementary]",
    "hidden text": "[hidden], [aria-hidden=true], dialog:not([open])",
    "text for browsers without scripts": "noscript",
    "struck-out text": "del, s, strike",
    "embedded object": "iframe, object, embed, canvas, audio, video, applet",
    "drawing": "svg",
}
"""What is not read, in plain words, and its elements."""
_EVEN_EMPTY = frozenset(["form control", "embedded object"])
"""What is reported even where it holds no text."""

_META = {"id": "DC.identifier", "version": "DC.hasVersion", "date": "DC.date", "replaces": "DC.replaces"}
_HIDDEN_STYLE = re.compile(r"(?:display\s{0,9}:\s{0,9}none|visibility\s{0,9}:\s{0,9}hidden)", re.IGNORECASE)
_MAX_DEPTH = 200
"""The deepest nesting of tags that is read; only a page that attacks readers is deeper."""
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,20})")
_MAX_OPEN = 2_000
"""The most tags that may be open at once before a page is parsed: a parser's time grows with their square."""
_NEVER_CLOSED = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
        "p",
        "li",
        "dt",
        "dd",
        "tr",
        "td",
        "th",
        "thead",
        "tbody",
        "tfoot",
        "option",
        "optgroup",
        "colgroup",
        "rb",
        "rt",
        "rtc",
        "rp",
        "html",
        "head",
        "body",
    ]
)


def read_html(path: Path, data: bytes) -> Document:
    """Read an HTML page: its `main` or `article` if it has one, else its body, without navigation and similar parts.

    Metadata is in `<title>` and the meta names `DC.identifier`, `DC.hasVersion`, `DC.date` and `DC.replaces`; each may
    be missing. What is left out is counted. Raises `UnreadableDocument` for a page that is nested too deeply, and for
    one without text.
    """
    decoded = decode_page(data)
    outline = Outline()
    if decoded.unknown:
        outline.lose(f"its encoding {decoded.unknown[:40]!r}, which is unknown: read as {decoded.encoding}")
    if decoded.replaced:
        outline.lose(f"byte that is not {decoded.encoding}", decoded.replaced)
    metadata = add_html(path, decoded.text, outline)
    return assemble(path, metadata, outline)


def add_html(path: Path, text: str, outline: Outline) -> dict[str, str]:
    """Add the article of a page to an outline; return the page's metadata. Raises `UnreadableDocument`."""
    if _open_tags(text) > _MAX_OPEN:
        raise _too_deep(path)
    page = LexborHTMLParser(text)
    metadata = _metadata(page)
    articles = _outermost(page.css("main") or page.css("article"))
    _remove(page, outline, header=not articles)
    reader = _ArticleReader(outline)
    for root in articles or page.css("body"):
        reader.children(root, 0)
        reader.flush()
    if reader.too_deep:
        raise _too_deep(path)
    return metadata


def _too_deep(path: Path) -> Exception:
    return unreadable(path, f"its tags are nested more than {_MAX_DEPTH} deep", "save a simpler page")


def _open_tags(text: str) -> int:
    """Return about how many tags are open at once at most."""
    depth = most = 0
    for closing, tag in _TAG.findall(text):
        if tag.lower() not in _NEVER_CLOSED:
            depth = max(0, depth - 1) if closing else depth + 1
            most = max(most, depth)
    return most


def _outermost(roots: list[LexborNode]) -> list[LexborNode]:
    """Return the nodes that are in none of the others, so that no text is read twice."""
    ids = {root.mem_id for root in roots}
    outermost: list[LexborNode] = []
    for root in roots:
        above = root.parent
        for _ in range(_MAX_OPEN):
            if above is None or above.mem_id in ids:
                break
            above = above.parent
        if above is None:
            outermost.append(root)
    return outermost


def _remove(page: LexborHTMLParser, outline: Outline, *, header: bool) -> None:
    """Remove what is not of the article, and report what of it held text."""
    for element in page.css(_SILENT):
        element.decompose()
    for element in page.css("[style]"):
        if _HIDDEN_STYLE.search((element.attributes.get("style") or "")[:2_000]):
            element.attrs["hidden"] = ""
    for kind, selector in _LEFT_OUT.items():
        # A header inside an article has the article's heading; a header outside belongs to the page.
        selected = f"{selector}, header" if header and kind == "header of the page" else selector
        for element in page.css(selected):
            holds_text = kind in _EVEN_EMPTY or bool((element.text() or "").strip())
            if holds_text and (element.attributes.get("type") or "").lower() != "hidden":
                outline.lose(kind)
            element.decompose()
    for image in page.css("img"):
        alternative = (image.attributes.get("alt") or "").strip()
        if alternative or not (image.attributes.get("role") or image.attributes.get("alt") == ""):
            outline.lose("image")


def _metadata(page: LexborHTMLParser) -> dict[str, str]:
    metadata: dict[str, str] = {}
    title = page.css_first("head > title")
    if title is not None:
        metadata["title"] = title.text()
    contents: dict[str, str] = {}
    for meta in page.css("meta"):
        contents.setdefault((meta.attributes.get("name") or "").lower(), meta.attributes.get("content") or "")
    for name, meta in _META.items():
        metadata[name] = contents.get(meta.lower(), "")
    return metadata


@dataclass
class _ArticleReader:
    """Reads an article from top to bottom; collects words and adds them to the outline when a block ends."""

    outline: Outline
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
        if tag in INLINE:
            self.inline(node, tag, depth)
            return
        self.flush()
        if re.fullmatch(r"h[1-6]", tag):
            self.outline.heading(int(tag[1]), text_of(node))
        elif tag == "table":
            self.table(node, depth)
        elif tag == "pre":
            for line in text_of(node, lines=True).splitlines():
                self.outline.line(line)
        elif tag == "dt":
            term = text_of(node).strip()
            self.term = f"{self.term}, {term}" if self.term else term
        elif tag == "dd" and not node.css("p, div, ul, ol, table, dl, pre"):
            text = text_of(node)
            self.outline.line(f"{self.term}: {text}" if self.term else text)
            self.term = ""
        else:
            if tag in {"dd", "dl"}:
                self.outline.line(f"{self.term}:" if self.term else "")
                self.term = ""
            self.item = self.item or tag == "li"
            self.children(node, depth + 1)
            self.flush()
            self.item = self.item and tag != "li"

    def inline(self, node: LexborNode, tag: str, depth: int) -> None:
        """Visit an element within a line."""
        if tag in {"sup", "sub"}:
            self.words.append(text_of(node, itself=True))
        elif tag == "br":
            self.flush()
        else:
            self.children(node, depth + 1)

    def table(self, node: LexborNode, depth: int) -> None:
        """Read a table of data row by row, and one that only lays out a page as the text in it."""
        if html_tables.is_layout(node):
            for cell in html_tables.own(node, "td", "th", "caption"):
                self.children(cell, depth + 4)
                self.flush()
            return
        for caption in html_tables.own(node, "caption"):
            self.outline.line(text_of(caption))
        html_tables.add(node, self.outline)
        for inner in html_tables.inner(node):
            self.table(inner, depth + 4)
        self.too_deep = self.too_deep or depth > _MAX_DEPTH

    def flush(self) -> None:
        """End the current line and add it to the outline."""
        text = "".join(self.words)
        self.words = []
        if self.item:
            self.outline.item(text)
        else:
            self.outline.line(text)
        self.item = self.item and not text.strip()
