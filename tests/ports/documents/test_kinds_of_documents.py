"""What once was read wrong, refused or dropped, by its kind; `tests/trials` draws thousands of others."""

import io
import re
import time
import zipfile
from pathlib import Path

import pytest
from fpdf import FPDF
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader, PdfWriter

from activities.adapters.documents.charsets import ENCODINGS, decode_page
from activities.adapters.documents.document import Document
from activities.adapters.documents.parse import parse_bytes
from activities.ports import UnreadableDocument
from activities.text.search_text import search_text


def read(name: str, text: str | bytes) -> Document:
    return parse_bytes(Path(name), text.encode() if isinstance(text, str) else text)


def lines(name: str, text: str | bytes) -> list[str]:
    return [line for section in read(name, text).sections for line in section.lines]


def losses(name: str, text: str | bytes) -> dict[str, int]:
    return {loss.kind: loss.count for loss in read(name, text).losses}


def paper(*texts: tuple[float, float, str]) -> bytes:
    """A PDF with texts at places, in millimetres."""
    pdf = FPDF()
    pdf.add_page()
    pdf.set_font("Helvetica", "", 11)
    for left, top, text in texts:
        pdf.text(left, top, text)
    return bytes(pdf.output())


TABLE = "<table><tr><th>Zone<th>Price</tr><tr><td rowspan=2>Coast<td>14 euros<tr><td>29 euros</table>"


@pytest.mark.parametrize("name", ["a.html", "a.md", "a.eml"])
def test_a_cell_that_spans_rows_stands_in_each_of_them_in_every_reader_of_html(name: str) -> None:
    head = "Content-Type: text/html\nSubject: Rates\n\n" if name == "a.eml" else ""
    assert lines(name, head + TABLE) == ["Zone: Coast; Price: 14 euros.", "Zone: Coast; Price: 29 euros."]


def test_columns_under_a_shared_heading_are_named_by_both() -> None:
    table = (
        "<table><tr><th rowspan=2>Office<th colspan=2>Summer<tr><th>Open<th>Close"
        "<tr><td>Harbour<td>7:00<td>19:00<tr><td colspan=3>Closed in May</table>"
    )
    assert lines("a.html", table) == ["Office: Harbour; Summer Open: 7:00; Summer Close: 19:00.", "Closed in May"]


@pytest.mark.parametrize("span", ["99999999999", "0", "-1", "x", "65534"])
def test_an_absurd_span_is_bounded(span: str) -> None:
    table = f"<table><tr><th>A<th>B<tr><td colspan={span} rowspan={span}>x<td>y</table>"
    assert len("".join(lines("a.html", table * 3))) < 20_000


def test_a_page_within_a_form_is_read_without_its_controls() -> None:
    page = "<form><h1>Visa</h1><p>It takes 12 days.</p><button>Send</button><input name=q><p hidden>Old</p></form>"
    assert lines("a.html", page) == ["It takes 12 days."]
    assert losses("a.html", page) == {"form control": 2, "hidden text": 1}


def test_nested_articles_and_tables_are_read_once() -> None:
    assert lines("a.html", "<article><p>One.<article><p>Two.</article></article>") == ["One.", "Two."]
    inner = "<table><tr><th>K<th>V<tr><td>A<td>B<table><tr><td>C<td>D<tr><td>E<td>F</table></table>"
    assert lines("a.html", inner) == ["K: A; V: B.", "C; D.", "E; F."]


@pytest.mark.parametrize(
    "data",
    [
        "<meta charset=gb2312><p>价格 120".encode("gb18030"),
        b"<!--" + b"x" * 3_000 + "--><meta charset=gbk><p>价格 120".encode("gb18030"),
        "\ufeff<p>价格 120".encode("utf-16-le"),
        "\ufeff<p>价格 120".encode("utf-16-be"),
        "<p>价格 120".encode(),
        "<meta charset=utf-16><p>价格 120".encode(),
        "<meta charset=gbk><p>价格 120".encode("utf-8-sig"),
    ],
)
def test_a_page_is_decoded_as_a_browser_does(data: bytes) -> None:
    assert lines("a.html", data) == ["价格 120"]


@given(st.binary(max_size=300), st.sampled_from(["", "punycode", "idna", "utf-7", "rot13", *sorted(ENCODINGS)]))
def test_no_bytes_and_no_charset_break_the_decoding_of_a_page(data: bytes, charset: str) -> None:
    assert decode_page(data, charset).text.isprintable() in {True, False}
    assert decode_page(data, charset).encoding in {"utf-8", *ENCODINGS.values(), "utf-32-le", "utf-32-be"}


@pytest.mark.parametrize("rule", ["---\n\n{}\n\n---\n\n# Depot\n\n{}\n", "-----\n{}\n\n---\n\n{}\n"])
def test_a_document_may_begin_with_a_rule(rule: str) -> None:
    assert lines("a.md", rule.format("It closes at 18:00.", "It opens at 6:00.")) == [
        "It closes at 18:00.",
        "It opens at 6:00.",
    ]


def test_footnotes_stay_with_the_section_that_refers_to_them_and_unused_ones_stay_too() -> None:
    text = "# F\n\n## A\n\nIt is 40 euros[^1].\n\n## B\n\nMore^[Here.].\n\n[^1]: Waived.\n[^2]: Only in summer.\n"
    sections = read("a.md", text).sections
    assert sections[0].lines == ("It is 40 euros [1].", "[1] Waived.")
    assert sections[1].lines == ("More (Here.).", "[2] Only in summer.")


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("40 euros<sup>1</sup>", "40 euros [1]"),
        ("40<sup>1</sup>", "40 [1]"),
        ("40<sup><a href=#n>12</a></sup> euros", "40 [12] euros"),
        ("5 m<sup>2</sup>", "5 m²"),
        ("10<sup>6</sup>", "10⁶"),
        ("10<sup>-3</sup>", "10⁻³"),
        ("1<sup>st</sup>", "1st"),
        ("H<sub>2</sub>O", "H2O"),
        ("log<sub>10</sub>100", "log₁₀100"),
    ],
)
def test_no_superscript_joins_the_digits_before_it(page: str, text: str) -> None:
    assert lines("a.html", f"<p>{page}</p>") == [text]
    assert lines("a.md", page) == [text]


@pytest.mark.parametrize(
    ("text", "searched"),
    [
        ("oﬃce ﬁle", "office file"),
        ("\uff11\uff12 \uff21\uff22", "12 AB"),
        ("10²", "10^2"),
        ("m²", "m^2"),
        ("5½", "5 1/2"),
        ("CO₂", "CO2"),
        ("5①", "5 1"),
        ("10²3", "10^2 3"),
        ("10¹²", "10^12"),
    ],
)
def test_search_reads_ligatures_and_widths_and_joins_no_digits(text: str, searched: str) -> None:
    assert search_text(text) == searched


@given(st.text("0123456789²³½①₂ \uff11aﬁ", max_size=20))
def test_no_number_is_searched_that_is_not_written(text: str) -> None:
    # Runs of one kind are numbers: plain digits, raised ones, lowered ones; a fraction and a circle stand alone.
    runs: list[str] = re.findall(r"[0-9\uff11]+|[²³]+|₂+|½|①", text)
    forms = {"²": "2", "³": "3", "₂": "2", "①": "1", "\uff11": "1"}
    written = {"".join(forms.get(sign) or sign for sign in run) for run in runs} | {"1", "2"}
    assert set(re.findall(r"[0-9]+", search_text(text))) <= written


def test_an_encrypted_pdf_that_every_viewer_opens_is_read() -> None:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(paper((20, 20, "The crane may lift 12 tonnes.")))))
    writer.encrypt("", "owner", algorithm="AES-256")
    stream = io.BytesIO()
    writer.write(stream)
    assert lines("a.pdf", stream.getvalue()) == ["The crane may lift 12 tonnes."]


@pytest.mark.parametrize("angle", [90, 180, 270, 45, 10])
def test_rotated_text_of_a_pdf_is_read(angle: int) -> None:
    pdf = FPDF()
    pdf.add_page()
    pdf.set_font("Helvetica", "", 11)
    pdf.text(20, 20, "The upright line.")
    with pdf.rotation(angle, 100, 150):
        pdf.text(80, 150, "The dock closes at noon.")
    assert lines("a.pdf", bytes(pdf.output())) == ["The upright line.", "The dock closes at noon."]


def test_words_parted_at_line_ends_are_joined_and_compounds_and_numbers_are_not() -> None:
    texts = ["The long and slow instal-", "lation takes a well-", "known engineer and costs 1,2-", "00 euros."]
    data = paper(*[(20, 20 + 6 * number, text) for number, text in enumerate(texts)])
    assert lines("a.pdf", data) == [
        "The long and slow installation takes a well-known engineer and costs 1,2- 00 euros."
    ]


def test_two_values_of_a_table_without_rules_are_never_merged() -> None:
    rows = [("Zone", "Service", "Price"), ("Coast", "Standard", "14 euros"), ("", "Express", "29 euros")]
    data = paper(*[(20 + 50 * c, 20 + 6 * r, text) for r, row in enumerate(rows) for c, text in enumerate(row) if text])
    assert lines("a.pdf", data) == [
        "Zone: Coast; Service: Standard; Price: 14 euros.",
        "Service: Express; Price: 29 euros.",
    ]


def test_an_email_is_decoded_and_its_attachments_are_named() -> None:
    mail = (
        b"From: a@example.org\nSubject: =?utf-8?q?Caf=C3=A9?=\nMIME-Version: 1.0\n"
        b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n"
        b"The caf=C3=A9 costs 12=\n0 euros.\n"
    )
    assert read("a.eml", mail).title == "Café"
    assert lines("a.eml", mail) == ["From: a@example.org", "The café costs 120 euros."]


def zipped(**parts: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name.replace("_", "/") + ".xml", data)
    return stream.getvalue()


@pytest.mark.parametrize("ending", ["docx", "xlsx", "pptx"])
def test_an_archive_that_grows_beyond_all_bounds_is_refused_before_it_is_read(ending: str) -> None:
    with pytest.raises(UnreadableDocument, match="grows"):
        read(f"a.{ending}", zipped(word_document=b" " * 20_000_000))


@given(st.binary(max_size=200), st.sampled_from([".pdf", ".docx", ".md", ".html", ".csv", ".json", ".eml", ".txt"]))
def test_no_bytes_break_a_reader_in_another_way_than_its_own(data: bytes, ending: str) -> None:
    for content in (data, b"%PDF-1.4\n" + data, b"PK\x03\x04" + data, b"---\ntitle: " + data):
        try:
            document = read(f"a{ending}", content)
        except UnreadableDocument:
            continue
        assert document.sections


BOMBS = {
    "tags.html": b"<div>" * 100_000 + b"x",
    "comments.html": b"<!--" * 100_000 + b"x",
    "spans.html": b"<table>" + b"<tr><td rowspan=65534 colspan=1000>x" * 3_000 + b"</table>",
    "deep.json": b"[" * 1_000_000,
    "header.eml": b"Subject: " + b"=?utf-8?q?a?= " * 30_000 + b"\n\nx",
    "hyphens.txt": (b"a" * 75 + b"-\n") * 5_000,
    "aliases.md": b"---\ntitle: &a [x]\n" + b"tags: [*a, *a, *a]\n" * 100 + b"---\nx",
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", BOMBS)
def test_a_file_that_attacks_its_reader_is_bounded_or_refused(name: str) -> None:
    began = time.process_time()
    try:
        document = read(name, BOMBS[name])
    except UnreadableDocument:
        document = None
    assert time.process_time() - began < 10
    assert document is None or sum(map(len, (line for s in document.sections for line in s.lines))) < 20_000_000


def test_a_page_tree_that_names_one_page_many_times_is_read_once() -> None:
    kids = " ".join(["3 0 R"] * 17)
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Count 83521 /Kids [{kids}] >>",
        f"<< /Type /Pages /Count 4913 /Kids [{kids.replace('3 0', '4 0')}] >>",
        (
            "<< /Type /Page /MediaBox [0 0 300 300] /Contents 5 0 R "
            "/Resources << /Font << /F << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>"
        ),
        "<< /Length 43 >>\nstream\nBT /F 11 Tf 20 20 Td (The crane is red.) Tj ET\nendstream",
    ]
    body = "%PDF-1.4\n" + "".join(f"{n} 0 obj\n{text}\nendobj\n" for n, text in enumerate(objects, 1))
    document = read("a.pdf", body + "trailer << /Root 1 0 R /Size 6 >>\n%%EOF\n")
    assert [section.lines for section in document.sections] == [("The crane is red.",)]
    assert any("page that cannot be found" in loss.kind for loss in document.losses)
