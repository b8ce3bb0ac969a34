"""Reads Markdown with front matter."""

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
    described: dict[str, str] = {}
    if matter := _FRONT_MATTER.match(text):
        described = {name.lower(): value.strip().strip("\"'") for name, value in _FIELD.findall(matter[1])}
        text = text[matter.end() :]
    elif text.startswith("---\n") and _FIELD.match(text, 4):
        raise unreadable(path, "its front matter has no end", "close it with a line of three dashes")
    outline = Outline()
    _read(_parser.parse(text), outline)
    return assemble(path, described, outline)


def _read(tokens: list[Token], outline: Outline) -> None:
    """Walk the flat list of block tokens once."""
    inside = ""
    rows: list[list[str]] = []
    for token in tokens:
        match token.type:
            case "heading_open" | "list_item_open" | "th_open" | "td_open":
                inside = token.tag
            case "list_item_close" | "heading_close" | "th_close" | "td_close":
                inside = ""
            case "tr_open":
                rows.append([])
            case "table_close":
                outline.table(rows[0], rows[1:])
                rows = []
            case "inline":
                _place(inside, _words(token), rows, outline)
                # Only the first paragraph of a list item bears its mark.
                inside = "" if inside == "li" else inside
            case "fence" | "code_block":
                for line in token.content.splitlines():
                    outline.line(line)
            case "html_block":
                outline.line(plain_text(token.content))
            case _:
                pass


def _place(inside: str, words: str, rows: list[list[str]], outline: Outline) -> None:
    """Put the words of one block where they belong."""
    match inside:
        case "":
            for line in words.split("\n"):
                outline.line(line)
        case "li":
            outline.item(words)
        case "th" | "td":
            rows[-1].append(words)
        case heading:
            outline.heading(int(heading[1:]), words)


def _words(token: Token) -> str:
    """The plain text of an inline token; a hard break stays a line break."""
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
