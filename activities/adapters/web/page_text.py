"""Extracts the text of a page, by its media type and by the encoding that its server names."""

from email.message import Message

from activities.adapters.documents.charsets import codec
from activities.ports import Documents, NotInCharset, ReadersBusy, ReadingStopped, UnreadableDocument
from tools.errors import Unreachable, Unusable

_HTML = frozenset({"text/html", "application/xhtml+xml"})
TYPES = ("text/html", "application/xhtml+xml", "text/markdown", "text/plain", "application/json")
"""The media types that can be read; any `application/...+json` can be read too."""
LONGEST_TYPE = 1_000
"""The longest media type that is looked at, in characters; only a server that attacks readers sends a longer one."""


async def page_text(
    where: str, content_type: str, data: bytes, documents: Documents, tenant: str = ""
) -> tuple[str, str]:
    """Return the media type and the text of a page; of HTML only the article's text. Raises `Unusable`, `Unreachable`.

    Nothing is decoded here, on the event loop: the documents are read elsewhere.
    """
    header = Message()
    header["Content-Type"] = content_type[:LONGEST_TYPE] or "application/octet-stream"
    kind, named = header.get_content_type(), header.get_content_charset("")
    if kind not in TYPES and not (kind.startswith("application/") and kind.endswith("+json")):
        raise Unusable(f"{where}: it is of the type {kind[:60]!r}: text, HTML, JSON and Markdown can be read")
    charset = codec(named or "utf-8")
    if charset is None:
        raise Unusable(f"{where}: it is said to be in {named[:40]!r}, which is no encoding of pages: use another page")
    is_html = kind in _HTML
    try:
        # An HTML page whose server names no encoding says it by itself.
        charset = "" if is_html and not named else charset
        return kind, await documents.text("page.html" if is_html else "page.txt", data, tenant=tenant, charset=charset)
    except (NotInCharset, ReadingStopped) as error:
        raise Unusable(f"{where}: {error}: use another page") from None
    except ReadersBusy:
        raise Unreachable(f"{where}: too many documents wait to be read: try later") from None
    except UnreadableDocument:
        raise Unusable(f"{where}: there is no text to read in its HTML: use another page") from None
