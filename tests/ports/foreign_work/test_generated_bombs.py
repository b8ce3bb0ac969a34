"""Any piece, repeated to any length, is read or refused in bounded time, and the next document is served."""

import asyncio
import time
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from activities.adapters.documents.files import WALL_CLOCK, FileDocuments
from activities.adapters.web.page_text import page_text
from activities.ports import UnreadableDocument
from activities.settings.foreign_work import ForeignWork
from tools.errors import Unusable

SECONDS = 0.3
SLACK = 10.0
"""What a busy machine may add, in seconds."""

PIECES = st.text(st.sampled_from("<>[]()*_`~#|-+=!&;:/\\\"' \n\tab1<é\ufdfa"), min_size=1, max_size=8)
TAGS = st.sampled_from(
    ["<div>", "<table><tr><td>", "<b><i>", "<a href=1>", "<p>", "<select>", "<svg>", "</p>", "<!--", "&#"]
)
SIZES = st.sampled_from([10_000, 200_000, 1_000_000])
WAYS = st.sampled_from(
    ["bomb.md", "bomb.html", "bomb.txt", "text/html", "text/plain; charset=gbk", "text/html; charset=koi8-r"]
)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.one_of(PIECES, TAGS), min_size=1, max_size=3), SIZES, WAYS)
def test_whatever_is_repeated_ends_in_time_and_harms_nobody(pieces: list[str], size: int, way: str) -> None:
    piece = "".join(pieces).encode()
    asyncio.run(_read((piece * (size // len(piece) + 1))[:size], way))


async def _read(data: bytes, way: str) -> None:
    documents = FileDocuments(
        ForeignWork(document_seconds=SECONDS, page_seconds=SECONDS, remembered=timedelta(hours=1))
    )
    others = FileDocuments()  # with the time that documents have: a busy machine is slow
    try:
        began = time.perf_counter()
        try:
            if "/" in way:
                await page_text("http://example.com/", way, data, documents, "acme")
            else:
                await documents.text(way, data, tenant="acme")
        except (UnreadableDocument, Unusable) as refusal:
            assert "\n" not in str(refusal)  # noqa: PT017 - a text is right too
        assert time.perf_counter() - began < WALL_CLOCK * SECONDS + SLACK
        assert "Sixteen" in await others.text("leave.md", b"# Leave\n\nSixteen weeks.\n", tenant="globex")
    finally:
        documents.close()
        others.close()
