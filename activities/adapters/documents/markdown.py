"""Reads Markdown files with front matter."""

import re
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from activities.adapters.documents.document import Document, Outline, assemble, unreadable
from activities.adapters.documents.html import plain_text

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)^---[ \t]*$\n?", re.DOTALL | re.MULTILINE)
_FIELD = re.compile(r"^([A-Za-z_]\w*)[ \t]*:[ \t]*(.*)$", re.MULTILINE)

_parser = MarkdownIt("commonmark").enable("table")


def read_markdown(path: Path, data: bytes) -> Document:
    """Read a Markdown file. Its front matter names `id`, `title`, `version`, `date`, `replaces`; each may be missing.

    Raises `UnreadableDocument` for bytes that are not UTF-8, for front matter that does not end, and for a document
    without text.
    """
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise unreadable(path, f"byte {error.start} is not UTF-8", "save the file as UTF-8") from None
    metadata: dict[str, str] = {}
    if front_matter := _FRONT_MATTER.match(text):
        metadata = {name.lower(): value.strip().strip("\"'") for name, value in _FIELD.findall(front_matter[1])}
        text = text[front_matter.end() :]
    elif text.startswith("---\n") and _FIELD.match(text, 4):
        raise unreadable(path, "its front matter has no end", "close it with a line of three dashes")
    outline = Outline()
    _read(_parser.parse(text), outline)
    return assemble(path, metadata, outline)


def _read(tokens: list[Token], outline: Outline) -> None:
    """Walk the flat list of block tokens once."""
    open_tag = ""
    rows: list[list[str]] = []
    for token in tokens:
        match token.type:
            case "heading_open" | "list_item_open" | "th_open" | "td_open":
                open_tag = token.tag
            case "list_item_close" | "heading_close" | "th_close" | "td_close":
                open_tag = ""
            case "tr_open":
                rows.append([])
            case "table_close":
                outline.table(rows[0], rows[1:])
                rows = []
            case "inline":
                _add_block(open_tag, _words(token), rows, outline)
                # Only the first paragraph of a list item is the item; later ones are plain lines.
                open_tag = "" if open_tag == "li" else open_tag
            case "fence" | "code_block":
                for line in token.content.splitlines():
                    outline.line(line)
            case "html_block":
                outline.line(plain_text(token.content))
            case _:
                pass


def _add_block(open_tag: str, text: str, rows: list[list[str]], outline: Outline) -> None:
    """Add the text of one block to the table's rows or to the outline."""
    match open_tag:
        case "":
            for line in text.split("\n"):
                outline.line(line)
        case "li":
            outline.item(text)
        case "th" | "td":
            rows[-1].append(text)
        case heading:
            outline.heading(int(heading[1:]), text)


def _words(token: Token) -> str:
    """Return the plain text of an inline token; a hard break becomes a line break."""
    parts: list[str] = []
    for child in token.children or []:
        match child.type:
            case "softbreak":
                parts.append(" ")
            case "hardbreak":
                parts.append("\n")
            case "html_inline":
                parts.append(" " if child.content.startswith("<br") else "")
            case _:
                parts.append(child.content)
    return "".join(parts)
