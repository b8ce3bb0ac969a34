"""Reads Markdown files with front matter, tables, footnotes and raw HTML."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.footnote import footnote_plugin
from mdit_py_plugins.front_matter import front_matter_plugin

from activities.adapters.documents.charsets import decode_text
from activities.adapters.documents.document import Document, Outline, assemble, unreadable
from activities.adapters.documents.html.reader import add_html
from activities.adapters.documents.markdown.front_matter import stated
from activities.adapters.documents.scripts import lowered, raised

_plain = MarkdownIt("commonmark").enable("table").enable("strikethrough").use(footnote_plugin)
# Notes stay where they are defined, so that those that nothing refers to are read too.
_plain.disable("footnote_tail")
_with_front_matter = MarkdownIt("commonmark").use(front_matter_plugin)
_with_front_matter.disable("inline")


def read_markdown(path: Path, data: bytes) -> Document:
    """Read a Markdown file. Its front matter names `id`, `title`, `version`, `date`, `replaces`; each may be missing.

    Raises `UnreadableDocument` for bytes that are no text, and for a document without text.
    """
    try:
        decoded = decode_text(data)
    except UnicodeDecodeError as error:
        raise unreadable(path, f"byte {error.start} is not UTF-8", "save the file as UTF-8") from None
    outline = Outline()
    if decoded.encoding == "cp1252":
        outline.lose("its encoding is not UTF-8: read as Western European (windows-1252)")
    text = decoded.text.replace("\r\n", "\n").replace("\r", "\n")
    metadata, first = _front_matter(text, outline)
    body = "\n" * first + "\n".join(text.split("\n")[first:])
    environment: dict[str, Any] = {}
    _Reader(path, outline, environment).read(_plain.parse(body, environment))
    return assemble(path, metadata, outline)


def _front_matter(text: str, outline: Outline) -> tuple[dict[str, str], int]:
    """Return the metadata and the number of lines that it takes; a document may also begin with a rule."""
    if not text.startswith("---"):
        return {}, 0
    tokens = _with_front_matter.parse(text.split("\n\n\n", 1)[0] if len(text) > _LONGEST_FRONT else text)
    if not tokens or tokens[0].type != "front_matter" or tokens[0].map is None:
        if text.split("\n", 1)[0].rstrip("- ") == "" and stated(text.split("\n\n", 1)[0].lstrip("-"), Outline()):
            outline.lose("end of the front matter, which is read as text (close it with a line of three dashes)")
        return {}, 0
    metadata = stated(tokens[0].content, outline)
    return ({}, 0) if metadata is None else (metadata, tokens[0].map[1])


_LONGEST_FRONT = 1_000_000


@dataclass
class _Reader:
    """Walks the flat list of block tokens once."""

    path: Path
    outline: Outline
    environment: dict[str, Any]
    open_tag: str = ""
    rows: list[list[str]] = field(default_factory=list[list[str]])
    struck: bool = False

    def read(self, tokens: Sequence[Token]) -> None:  # noqa: C901 - one case for each kind of token
        """Add the blocks to the outline."""
        stream = iter(_with_whole_html(tokens))
        for token in stream:
            match token.type:
                case "heading_open" | "list_item_open" | "th_open" | "td_open":
                    self.open_tag = token.tag
                case "list_item_close" | "heading_close" | "th_close" | "td_close":
                    self.open_tag = ""
                case "tr_open":
                    self.rows.append([])
                case "table_close":
                    self.outline.table(self.rows[0], self.rows[1:])
                    self.rows = []
                case "footnote_reference_open":
                    self.note(token, stream)
                case "inline":
                    self.add_block(self.words(token))
                    # Only the first paragraph of a list item is the item; later ones are plain lines.
                    self.open_tag = "" if self.open_tag == "li" else self.open_tag
                case "fence" | "code_block":
                    for line in token.content.splitlines():
                        self.outline.line(line)
                case "html_block":
                    self.html(token)
                case _:
                    pass

    def note(self, opening: Token, stream: Iterator[Token]) -> None:
        """Read a note up to its end."""
        inner = Outline()
        tokens: list[Token] = []
        for token in stream:
            if token.type == "footnote_reference_close":
                break
            tokens.append(token)
        _Reader(self.path, inner, self.environment).read(tokens)
        lines = [line for section in inner.sections() for line in (*section.headings[-1:], *section.lines)]
        for loss in inner.losses():
            self.outline.lose(loss.kind, loss.count, loss.where)
        self.outline.note(str(opening.meta["label"]), [*([inner.title] if inner.title else []), *lines])

    def html(self, token: Token) -> None:
        """Read a block of HTML as an HTML file is read."""
        before = len(self.outline.losses())
        metadata = add_html(self.path, token.content, self.outline)
        if metadata.get("title") and self.outline.title is None:
            self.outline.title = metadata["title"]
        if len(self.outline.losses()) > before and token.map is not None:
            for loss in self.outline.losses()[before:]:
                self.outline.lose(loss.kind, 0, f"line {token.map[0] + 1}")

    def add_block(self, text: str) -> None:
        """Add the text of one block to the table's rows or to the outline."""
        match self.open_tag:
            case "":
                for line in text.split("\n"):
                    self.outline.line(line)
            case "li":
                self.outline.item(text)
            case "th" | "td":
                self.rows[-1].append(text)
            case heading:
                self.outline.heading(int(heading[1:]), text)

    def words(self, token: Token) -> str:
        """Return the plain text of an inline token; a hard break becomes a line break."""
        parts: list[str] = []
        where = f"line {token.map[0] + 1}" if token.map else ""
        struck = 0
        script: list[tuple[str, int]] = []
        for child in token.children or []:
            kind = child.type
            tag = _tag(child.content) if kind == "html_inline" else ""
            if kind == "s_open" or tag in {"<del", "<s", "<strike"}:
                struck += 1
                self.outline.lose("struck-out text", where=where)
            elif struck and (kind == "s_close" or tag in {"</del", "</s", "</strike"}):
                struck -= 1
            elif struck:
                continue
            elif tag in {"<sup", "<sub"}:
                script.append((tag, len(parts)))
            elif tag in {"</sup", "</sub"} and script:
                opening, start = script.pop()
                content = "".join(parts[start:])
                parts[start:] = [raised(content) if opening == "<sup" else lowered(content)]
            elif kind == "footnote_ref":
                parts.append(self.reference(child))
            elif kind == "image":
                self.outline.lose("image", where=where)
                parts.append(child.content)
            else:
                parts.append(
                    {"softbreak": " ", "hardbreak": "\n"}.get(kind, "" if kind == "html_inline" else child.content)
                )
                if tag == "<br":
                    parts.append(" ")
        return "".join(parts)

    def reference(self, token: Token) -> str:
        """Return the mark of a note: its label, or the whole text of a note that is written in the line itself."""
        if label := token.meta.get("label"):
            self.outline.refer(str(label))
            return f" [{label}]"
        notes = self.environment.get("footnotes", {}).get("list", {})
        children = cast("list[Token]", notes.get(token.meta.get("id"), {}).get("tokens") or [])
        inner = Token("inline", "", 0, children=list(children))
        return f" ({self.words(inner)})"


def _with_whole_html(tokens: Sequence[Token]) -> Iterator[Token]:
    """Yield the tokens, with neighbouring blocks of HTML as one: a blank line within a table ends a block."""
    html: Token | None = None
    for token in tokens:
        if token.type == "html_block" and html is not None:
            html.content += token.content
            continue
        if html is not None:
            yield html
        html = token if token.type == "html_block" else None
        if html is None:
            yield token
    if html is not None:
        yield html


def _tag(content: str) -> str:
    """Return the beginning of a tag up to its name's end: `</del`."""
    end = 2 if content.startswith("</") else 1
    while end < len(content) and content[end].isalnum():
        end += 1
    return content[:end].lower()
