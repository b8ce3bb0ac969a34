"""Reads e-mails: who wrote what to whom and when, and the text, from whatever encoding it was sent in."""

from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from pathlib import Path

from activities.adapters.documents.charsets import ENCODINGS, decode_page
from activities.adapters.documents.document import Document, Outline, assemble, unreadable
from activities.adapters.documents.html.reader import add_html
from activities.adapters.documents.pdf.paragraphs import paragraphs

_SHOWN = ("From", "To", "Cc", "Date")
_LONGEST_HEADER = 32_768
_MAX_PARTS = 200
"""The most parts of a message that are looked at."""
_WRAPPED = (60, 100)
"""The fewest and the most characters of a full line in a text whose lines were wrapped."""


def read_mail(path: Path, data: bytes) -> Document:
    """Read an e-mail. Its title is the subject; its attachments are left out, and named as losses."""
    if _longest_header(data) > _LONGEST_HEADER:
        raise unreadable(path, f"a header of it is longer than {_LONGEST_HEADER:,} bytes", "save it as text")
    message = message_from_bytes(data, policy=policy.default)
    outline = Outline()
    for name in _SHOWN:
        if value := _header(message, name):
            outline.line(f"{name}: {value}")
    body = _body(message, outline)
    if body is not None:
        _add_body(path, body, outline)
    return assemble(path, {"title": _header(message, "Subject")}, outline)


def _longest_header(data: bytes) -> int:
    """Return the length of the longest header, of the message or of a part: a parser's time grows with its square."""
    longest = length = 0
    is_head = True
    for line in data.splitlines(keepends=True):
        if length and line[:1] in {b" ", b"\t"}:
            length += len(line)
        elif is_head or line[:8].lower() == b"content-":
            length = len(line)
        else:
            length = 0
        is_head = is_head and bool(line.strip())
        longest = max(longest, length)
    return longest


def _header(message: Message, name: str) -> str:
    """Return a header's text; empty for one that is missing, or broken beyond reading."""
    try:
        return str(message.get(name) or "")
    except Exception:  # noqa: BLE001 - the parser of headers breaks on some in its own ways
        return next((str(value) for key, value in message.raw_items() if key.lower() == name.lower()), "")


def _body(message: EmailMessage, outline: Outline) -> Message | None:
    """Return the part that is the text: the plain one if it holds any, else the HTML one. Report all others."""
    texts: list[Message] = []
    pages: list[Message] = []
    parts = list(message.walk())
    for part in parts[:_MAX_PARTS]:
        if part.is_multipart():
            if part.get_content_type() == "message/rfc822" and part is not message:
                outline.lose("attached message, whose text is read if this one has none")
            continue
        kind, name = part.get_content_type(), part.get_filename()
        if part.get_content_disposition() == "attachment" or kind not in {"text/plain", "text/html"}:
            outline.lose(f"attachment {name[:80]!r}" if name else f"part of the type {kind!r}")
        elif _text(part, Outline()).strip():
            (texts if kind == "text/plain" else pages).append(part)
    if len(parts) > _MAX_PARTS:
        outline.lose("part of the message beyond the first 200", len(parts) - _MAX_PARTS)
    chosen = (texts or pages)[:1]
    for other in (texts or pages)[1:]:
        outline.lose(f"further text of the type {other.get_content_type()!r}")
    return chosen[0] if chosen else None


def _add_body(path: Path, part: Message, outline: Outline) -> None:
    text = _text(part, outline)
    if part.get_content_type() == "text/html":
        add_html(path, text, outline)
        return
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    width = max(map(len, lines), default=0)
    if _WRAPPED[0] <= width <= _WRAPPED[1]:
        for is_item, paragraph in paragraphs((line, width) for line in lines):
            (outline.item if is_item else outline.line)(paragraph)
    else:
        for line in lines:
            outline.line(line)


def _text(part: Message, outline: Outline) -> str:
    """Return the decoded text of a part: quoted-printable and base64, in the charset that it names."""
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return ""
    charset = str(part.get_content_charset() or "").lower()
    if charset and charset not in ENCODINGS:
        outline.lose(f"its encoding {charset[:40]!r}, which is unknown")
    decoded = decode_page(data, charset)
    if decoded.replaced:
        outline.lose(f"byte that is not {decoded.encoding}", decoded.replaced)
    return decoded.text
