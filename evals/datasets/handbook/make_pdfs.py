"""Build the PDF documents of the handbook data set from the texts in pdf_sources/.

Run ``python evals/datasets/handbook/make_pdfs.py`` (needs fpdf2) after changing a source. A source has
front matter, then ``# headings``, ``- list items``, ``| table rows |`` and paragraphs, one per line.
With the same release of fpdf2 the output is the same byte for byte.
"""

from datetime import UTC, datetime
from pathlib import Path

from fpdf import FPDF

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "pdf_sources"
DOCUMENTS = HERE / "documents"
FONT = "Helvetica"


def read_source(path: Path) -> tuple[dict[str, str], list[str]]:
    """Split a source into its front matter and the lines of its body."""
    _, front_matter, body = path.read_text(encoding="utf-8").split("---\n", 2)
    pairs = (line.split(":", 1) for line in front_matter.splitlines() if line.strip())
    return {key.strip(): value.strip() for key, value in pairs}, body.splitlines()


def keywords(metadata: dict[str, str]) -> str:
    """Return the metadata in the form that the PDF's document information stores."""
    names = ("id", "version", "date", "replaces")
    return "; ".join(f"{name}={metadata[name]}" for name in names if name in metadata)


def new_pdf(metadata: dict[str, str]) -> FPDF:
    """Return an empty document with its information set and its creation time fixed to its date."""
    pdf = FPDF(format="A4")
    pdf.set_title(metadata["title"])
    pdf.set_author("Tideway Instruments")
    pdf.set_keywords(keywords(metadata))
    pdf.set_creation_date(datetime.fromisoformat(metadata["date"]).replace(tzinfo=UTC))
    pdf.set_margin(22)
    pdf.add_page()
    return pdf


def write_heading(pdf: FPDF, text: str, size: int) -> None:
    """Write a heading in bold, with space around it."""
    pdf.ln(2)
    pdf.set_font(FONT, "B", size)
    pdf.multi_cell(0, 8, text, align="L", new_x="LMARGIN", new_y="NEXT")


def write_text(pdf: FPDF, text: str) -> None:
    """Write a paragraph or a list item, aligned left and never hyphenated."""
    pdf.set_font(FONT, "", 11)
    pdf.multi_cell(0, 6, text, align="L", new_x="LMARGIN", new_y="NEXT")
    pdf.ln(1.5)


def write_table(pdf: FPDF, rows: list[list[str]]) -> None:
    """Write a table whose first row is the heading, its columns as wide as their longest cell."""
    pdf.ln(1)
    pdf.set_font(FONT, "", 10)
    widths = tuple(max(8, *(len(cell) for cell in column)) for column in zip(*rows, strict=True))
    with pdf.table(text_align="LEFT", line_height=6, padding=1, col_widths=widths) as table:
        for cells in rows:
            table.row(cells)
    pdf.ln(3)


def build(path: Path, target: Path) -> None:
    """Turn one source into one PDF."""
    metadata, lines = read_source(path)
    pdf = new_pdf(metadata)
    table: list[list[str]] = []
    heading_size = 18
    for line in [*lines, ""]:
        if line.startswith("|"):
            table.append([cell.strip() for cell in line.strip("|").split("|")])
            continue
        if table:
            write_table(pdf, table)
            table = []
        if line.startswith("# "):
            write_heading(pdf, line[2:], heading_size)
            heading_size = 13
        elif line.strip():
            write_text(pdf, line)
    pdf.output(str(target))


def main() -> None:
    """Build every source."""
    for path in sorted(SOURCES.glob("*.md")):
        build(path, DOCUMENTS / f"{path.stem}.pdf")


if __name__ == "__main__":
    main()
