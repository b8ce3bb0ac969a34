"""What the reading of a document promises in every format, and how documents are cut into chunks."""

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from fpdf import FPDF
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader, PdfWriter

from activities.adapters.documents.document import Document, Section
from activities.adapters.documents.parse import parse, parse_bytes
from activities.adapters.stores.chunks import LARGEST, LONGEST_SENTENCE, cut, estimated_tokens
from activities.ports import UnreadableDocument
from activities.text.sentences import sentences

MARKDOWN = """---
id: travel
title: Travel and expenses
version: 2
date: 2026-03-01
replaces: trips
---
# Travel and expenses

This policy applies to *all* travel.

## Allowances

Paid are:

- meals
- The rate for a car is **0.42** euros.

| Priority | First response |
| --- | --- |
| High | 8 hours |
"""

HTML = """<!DOCTYPE html><html><head><title>Travel and expenses</title>
<meta name="DC.identifier" content="travel"><meta name="DC.hasVersion" content="2">
<meta name="DC.date" content="2026-03-01"><meta name="DC.replaces" content="trips"><script>var x</script></head>
<body><header><h1>Intranet</h1></header><nav>Home</nav><main><article><h1>Travel and expenses</h1>
<p>This policy applies to <em>all</em> travel.</p><script>track()</script><h2>Allowances</h2><p>Paid are:</p>
<ul><li><p>meals</p></li><li>The rate for a car is <b>0.42</b> euros.</li></ul>
<table><thead><tr><th>Priority</th><th>First response</th></tr></thead>
<tbody><tr><td>High</td><td>8 hours</td></tr></tbody></table>
</article></main><aside>Related</aside><footer>Internal use only</footer></body></html>"""


def write_markdown(folder: Path) -> Path:
    (path := folder / "travel.md").write_text(MARKDOWN)
    return path


def write_html(folder: Path) -> Path:
    (path := folder / "travel.html").write_text(HTML)
    return path


def new_pdf() -> FPDF:
    pdf = FPDF()
    pdf.add_page()
    pdf.set_font("Helvetica", "", 11)
    return pdf


def write_pdf(folder: Path) -> Path:
    pdf = new_pdf()
    pdf.set_title("Travel and expenses")
    pdf.set_keywords("id=travel; version=2; date=2026-03-01; replaces=trips")
    for size, bold, text in (
        (18, "B", "Travel and expenses"),
        (11, "", "This policy applies to all travel."),
        (13, "B", "Allowances"),
        (11, "", "Paid are:"),
        (11, "", "- meals"),
        (11, "", "- The rate for a car is 0.42 euros."),
    ):
        pdf.set_font("Helvetica", bold, size)
        pdf.multi_cell(0, 7, text, new_x="LMARGIN", new_y="NEXT")
    pdf.set_font("Helvetica", "", 10)
    with pdf.table(text_align="LEFT") as table:
        for cells in (("Priority", "First response"), ("High", "8 hours")):
            table.row(cells)
    path = folder / "travel.pdf"
    pdf.output(str(path))
    return path


@pytest.mark.parametrize("write", [write_markdown, write_html, write_pdf])
def test_a_document_is_the_same_in_every_format(write: Callable[[Path], Path], tmp_path: Path) -> None:
    assert parse(write(tmp_path)) == Document(
        id="travel",
        title="Travel and expenses",
        version=2,
        effective=date(2026, 3, 1),
        replaces="trips",
        sections=(
            Section((), ("This policy applies to all travel.",)),
            Section(
                ("Allowances",),
                (
                    "Paid are: meals",
                    "Paid are: The rate for a car is 0.42 euros.",
                    "Priority: High; First response: 8 hours.",
                ),
            ),
        ),
    )


@pytest.mark.parametrize(("name", "text"), [("plain.md", "Just text."), ("plain.html", "<p>Just text.</p>")])
def test_missing_metadata_has_defaults(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    document = parse(tmp_path / name)
    assert (document.id, document.title, document.version) == ("plain", "plain", 1)
    assert (document.effective, document.replaces) == (None, None)


def test_prose_of_a_pdf_is_joined_across_lines_and_pages(tmp_path: Path) -> None:
    pdf = new_pdf()
    pdf.multi_cell(0, 30, "Nobody works alone beside the water, and crews call the duty desk. " * 14)
    assert pdf.pages_count > 1
    pdf.output(str(tmp_path / "long.pdf"))
    [section] = parse(tmp_path / "long.pdf").sections
    sentences_found = [line[start:end] for line in section.lines for start, end in sentences(line)]
    assert sentences_found == ["Nobody works alone beside the water, and crews call the duty desk."] * 14


def test_a_cell_of_a_pdf_table_may_take_several_lines(tmp_path: Path) -> None:
    pdf = new_pdf()
    with pdf.table(text_align="LEFT", v_align="TOP", col_widths=(1, 1)) as table:
        for cells in (("Item", "Rule"), ("Boat", "At most six people may go, " * 4 + "never more."), ("Car", "Five.")):
            table.row(cells)
    pdf.output(str(tmp_path / "table.pdf"))
    [section] = parse(tmp_path / "table.pdf").sections
    boat, car = section.lines
    assert boat == f"Item: Boat; Rule: {'At most six people may go, ' * 4}never more."
    assert car == "Item: Car; Rule: Five."


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rows.md", "| Day | From | To |\n|---|---|---|\n| Friday |  | 15:00 |\n"),
        ("rows.html", "<table><tr><th>Day<th>From<th>To<tr><td>Friday<td><td>15:00</table>"),
    ],
)
def test_an_empty_cell_is_left_out_of_its_rows_sentence(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    assert parse(tmp_path / name).sections == (Section((), ("Day: Friday; To: 15:00.",)),)


def truncated(path: Path) -> None:
    whole = write_pdf(path.parent).read_bytes()
    path.write_bytes(whole[: len(whole) // 3])


def encrypted(path: Path) -> None:
    writer = PdfWriter(clone_from=PdfReader(write_pdf(path.parent)))
    writer.encrypt("secret", algorithm="RC4-128")
    writer.write(path)


def scanned(path: Path) -> None:
    pdf = new_pdf()
    pdf.rect(10, 10, 50, 50)
    pdf.output(str(path))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("broken.pdf", b"%PDF-1.7\nthis is no PDF", "not a sound PDF"),
        ("short.pdf", truncated, "not a sound PDF"),
        ("locked.pdf", encrypted, "encrypted.*without a password"),
        ("scan.pdf", scanned, "no text.*OCR"),
        ("empty.md", b"  \n", "empty"),
        ("hollow.html", b"<html><body><nav>Home</nav></body></html>", "no text"),
        ("chinese.md", "\u5dee\u65c5\u89c4\u5b9a".encode("gb18030"), "byte 0 is not UTF-8; save the file as UTF-8"),
        ("deep.html", b"<div>" * 5000 + b"x", "nested"),
        ("sheet.xlsx", b"x", r"not a sound \.xlsx file"),
        ("logo.png", b"x", r"'\.png' are not known.*\.md, .*\.html, .*\.docx"),
    ],
)
def test_what_cannot_be_read_is_named_with_reason_and_remedy(
    name: str, content: bytes | Callable[[Path], None], reason: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        content(path)
    with pytest.raises(UnreadableDocument, match=f"cannot read the document '{name}': .*{reason}") as caught:
        parse(path)
    assert "\n" not in str(caught.value)
    assert ";" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "loss"),
    [
        ("latin.md", "caf\u00e9".encode("latin-1"), "not UTF-8: read as Western European"),
        ("odd.html", b"<meta charset='klingon'><p>x</p>", "'klingon', which is unknown"),
        ("open.md", b"---\nid: x\n\ntext", "end of the front matter"),
        ("when.md", b"---\ndate: 1 March\n---\ntext", "date' is '1 March'.*2026-03-01"),
        ("which.md", b"---\nversion: two\n---\ntext", "version' is 'two', read as 1"),
        ("parts.md", b"---\nversion: 3.1.4\n---\ntext", "version' is '3.1.4', read as 3"),
        ("who.md", b"---\ntitle: T\nauthor: A\n---\ntext", "metadata 'author', which has no meaning"),
        ("alias.md", b"---\ntitle: &a x\nid: *a\n---\ntext", "no sound YAML"),
    ],
)
def test_what_has_no_meaning_is_said_and_stops_nothing(name: str, content: bytes, loss: str) -> None:
    document = parse_bytes(Path(name), content)
    assert document.sections
    assert re.search(loss, "; ".join(map(str, document.losses)))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableDocument, match=r"'none\.md': no such file"):
        parse(tmp_path / "none.md")


WORDS = (
    st.text("abcdefgh ", min_size=1, max_size=400)
    .filter(lambda text: bool(text.strip()))
    .map(lambda text: " ".join(text.split()) + ".")
)
SECTIONS = st.lists(
    st.builds(
        Section,
        st.lists(st.sampled_from(["One", "Two"]), max_size=2).map(tuple),
        st.lists(WORDS, min_size=1).map(tuple),
    ),
    min_size=1,
    max_size=6,
).map(tuple)


@given(SECTIONS)
def test_chunks_hold_every_line_once_in_order_under_a_heading(sections: tuple[Section, ...]) -> None:
    document = Document("d", "Title", 1, None, None, sections)
    pieces = cut(document)
    assert [piece.number for piece in pieces] == list(range(len(pieces)))
    bodies = [piece.text.split("\n")[1:] for piece in pieces]
    assert [line for body in bodies for line in body] == [line for section in sections for line in section.lines]
    assert all(piece.text.startswith("Title") for piece in pieces)


@given(SECTIONS)
def test_a_chunk_is_too_long_only_where_one_sentence_is(sections: tuple[Section, ...]) -> None:
    for piece in cut(Document("d", "Title", 1, None, None, sections)):
        body = piece.text.split("\n")[1:]
        assert sum(estimated_tokens(body)) <= LARGEST or len(body) == 1
        assert sum(estimated_tokens(body)) <= LONGEST_SENTENCE


@given(st.text("\u5dee\u65c5\u89c4\u5b9a\u3002\uff0cab", min_size=1, max_size=3_000))
def test_a_text_without_spaces_is_cut_and_nothing_of_it_is_lost(text: str) -> None:
    pieces = cut(Document("d", "Title", 1, None, None, (Section((), (text,)),)))
    bodies = [piece.text.partition("\n")[2] for piece in pieces]
    assert all(estimated_tokens([body])[0] <= LONGEST_SENTENCE for body in bodies)
    assert [sign for body in bodies for sign in body if sign.isalnum()] == [sign for sign in text if sign.isalnum()]


def test_a_long_paragraph_is_parted_between_sentences() -> None:
    line = " ".join(f"Sentence number {n} has exactly eight words here." for n in range(60))
    pieces = cut(Document("d", "Title", 1, None, None, (Section(("Part",), (line,)),)))
    assert len(pieces) > 3
    for piece in pieces:
        heading, *body = piece.text.split("\n")
        assert heading == "Title > Part"
        assert all(text.startswith("Sentence") and text.endswith("here.") for text in body)


def test_short_sections_share_a_chunk_that_names_both() -> None:
    sections = (Section(("Paper",), ("It is shredded.",)), Section(("Glass",), ("It is melted.",)))
    [piece] = cut(Document("d", "Waste", 1, None, None, sections))
    assert piece.text == "Waste > Paper; Glass\nIt is shredded.\nIt is melted."
