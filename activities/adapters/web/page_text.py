"""Extracts the text of a page, by its media type."""

from email.message import Message

from activities.ports import Documents, UnreadableDocument
from tools.errors import Unusable

_HTML = frozenset({"text/html", "application/xhtml+xml"})
TYPES = ("text/html", "application/xhtml+xml", "text/markdown", "text/plain", "application/json")
"""The media types that can be read; any `application/...+json` can be read too."""


async def page_text(where: str, content_type: str, data: bytes, documents: Documents) -> tuple[str, str]:
    """Return the media type and the text of a page; of HTML only the article's text. Raises `Unusable`."""
    header = Message()
    header["Content-Type"] = content_type or "application/octet-stream"
    kind, charset = header.get_content_type(), header.get_content_charset("")
    if kind not in TYPES and not (kind.startswith("application/") and kind.endswith("+json")):
        raise Unusable(f"{where}: it is of the type {kind[:60]!r}: text, HTML, JSON and Markdown can be read")
    if kind in _HTML:
        if charset:
            # The server's encoding takes precedence over the page's own, but the HTML reader knows only the page's.
            data = b'<meta charset="utf-8">' + _decoded(where, data, charset).encode()
        try:
            return kind, await documents.text("page.html", data)
        except UnreadableDocument:
            raise Unusable(f"{where}: there is no text to read in its HTML: use another page") from None
    return kind, _decoded(where, data, charset or "utf-8")


def _decoded(where: str, data: bytes, charset: str) -> str:
    try:
        text = data.decode("utf-8-sig" if charset in {"utf-8", "utf8"} else charset)
        text.encode()
    except (UnicodeError, LookupError, ValueError):
        raise Unusable(
            f"{where}: it is not the text in {charset[:40]!r} that it says it is: use another page"
        ) from None
    if "\0" in text:
        raise Unusable(f"{where}: it is binary, though it says it is text: use another page")
    return text
