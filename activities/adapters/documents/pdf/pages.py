"""Opens a PDF and lays its pages out, within bounds: pages, operators' streams, drawn forms and characters."""

import io
import logging
import zlib
from collections.abc import Iterator
from typing import Any, cast

from pdfminer.layout import LTChar
from pdfminer.pdfinterp import PDFPageInterpreter
from pdfplumber.page import Page, PDFPageAggregatorWithMarkedContent
from pdfplumber.pdf import PDF
from pdfplumber.utils.exceptions import PdfminerException

# What the library cannot read is counted where it is missing; its log would say it another time.
logging.getLogger("pdfminer").setLevel(logging.CRITICAL)
logging.getLogger("pdfplumber").setLevel(logging.CRITICAL)

MAX_PAGES = 2_000
MAX_CHARACTERS = 60_000
"""The most characters of a page."""
MAX_PATHS = 20_000
"""The most paths that a page draws."""
MAX_FORMS = 500
"""The most forms that a page draws: a form may draw forms that draw forms."""
MAX_STREAM = 4_000_000
"""The longest stream of operators of a page, in bytes once it is inflated."""
MAX_STREAMS = 100_000_000
"""The same, for all pages together."""


class TooMuch(Exception):
    """A page draws more than any page for people does."""


class Encrypted(Exception):
    """The file needs a password."""


def open_pdf(data: bytes) -> PDF:
    """Open a PDF, also an encrypted one that every viewer opens. Raises `Encrypted`, and whatever the library does."""
    try:
        return PDF.open(io.BytesIO(data), pages=list(range(1, MAX_PAGES + 1)), password="")
    except PdfminerException as error:
        if "Password" in repr(error):
            raise Encrypted from None
        raise


def laid_out(pdf: PDF) -> Iterator[tuple[int, Page | None]]:
    """Yield each page with its number; None for one that draws too much. It is closed once the next is asked for."""
    room = MAX_STREAMS
    for page in pdf.pages:
        try:
            room = _without(room, _stream_size(page))
            device = _Device(pdf.rsrcmgr, pageno=page.page_number, laparams=None)
            _Interpreter(pdf.rsrcmgr, device).process_page(page.page_obj)
            cast("Any", page)._layout = device.get_result()  # noqa: SLF001 - where the library keeps what it laid out
            describe_briefly(page)
        except TooMuch:
            yield page.page_number, None
        else:
            yield page.page_number, page
        page.close()


def describe_briefly(page: Page) -> None:
    """Let the page describe its characters by what is read of them.

    The library looks up two dozen attributes of each character, most of them colours and resources: half of the time
    that a page takes.
    """
    library: Any = page.process_object
    left, top = page.mediabox[:2]
    height = page.height

    def described(item: Any) -> dict[str, Any]:
        if type(item) is not LTChar:
            return library(item)
        name: Any = item.fontname
        return {
            "object_type": "char",
            "text": item.get_text(),
            "fontname": name.decode("latin-1") if isinstance(name, bytes) else str(name),
            "x0": item.x0 + left,
            "x1": item.x1 + left,
            "top": height - item.y1 + top,
            "bottom": height - item.y0 + top,
            "width": item.width,
            "height": item.height,
            "adv": item.adv,
            "matrix": item.matrix,
        }

    cast("Any", page).process_object = described


def _without(room: int, size: int) -> int:
    if size > room:
        raise TooMuch
    return room - size


def count_pages(pdf: PDF) -> int:
    """Return how many pages the file says it has."""
    try:
        count: Any = cast("Any", pdf.doc).catalog["Pages"].resolve()["Count"]
    except (AttributeError, KeyError, TypeError):
        return len(pdf.pages)
    return count if isinstance(count, int) else len(pdf.pages)


def _stream_size(page: Page) -> int:
    """Return the size of a page's operators. Raises `TooMuch` for one that is too large, before it is all inflated."""
    total = 0
    for reference in page.page_obj.contents:
        stream = reference.resolve() if hasattr(reference, "resolve") else reference
        raw: bytes = getattr(stream, "rawdata", None) or b""
        total += len(raw)
        filters = [str(getattr(name, "name", name)) for name, _ in stream.get_filters()] if raw else []
        if filters in (["FlateDecode"], ["Fl"]):
            try:
                total += len(zlib.decompressobj().decompress(raw, MAX_STREAM + 1))
            except zlib.error:
                continue
        if total > MAX_STREAM:
            raise TooMuch
    return total


class _Device(PDFPageAggregatorWithMarkedContent):
    """Collects what a page draws, and gives up where it is too much."""

    characters = paths = forms = 0

    def render_char(self, *args: Any, **kwargs: Any) -> float:
        self.characters += 1
        if self.characters > MAX_CHARACTERS:
            raise TooMuch
        return super().render_char(*args, **kwargs)

    def paint_path(self, *args: Any, **kwargs: Any) -> None:
        self.paths += 1
        if self.paths > MAX_PATHS:
            raise TooMuch
        super().paint_path(*args, **kwargs)


class _Interpreter(PDFPageInterpreter):
    """Runs a page's operators, and gives up where it draws too many forms."""

    def do_Do(self, xobjid_arg: Any) -> None:  # noqa: N802 - the operator's name
        device = cast("_Device", self.device)
        device.forms += 1
        if device.forms > MAX_FORMS:
            raise TooMuch
        super().do_Do(xobjid_arg)
