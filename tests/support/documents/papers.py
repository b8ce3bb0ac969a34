"""Writes drawn documents as PDF: columns, tables with and without rules, rotated text, headers, raised marks."""

from fpdf import FPDF
from fpdf.enums import CharVPos

from tests.support.documents.truth import Draw, Table, Truth


def paper(seed: object) -> Truth:
    """Draw a PDF."""
    draw = Draw(f"paper {seed}", "western")
    truth = Truth("paper.pdf")
    pdf = _Paper(header=draw.choice(["", "", f"Harbour rules, edition {draw.number()}"]), numbered=draw.random() < 0.5)
    pdf.set_margins(draw.choice([15, 22, 30]), 22)
    pdf.set_auto_page_break(auto=True, margin=25)
    pdf.add_page()
    for _ in range(draw.randint(2, 8)):
        _block(pdf, draw, truth)
    if draw.random() < 0.3:
        _rotated(pdf, draw, truth)
    if pdf.header_text and pdf.pages_count > 2:
        truth.lost["header or footer"] += pdf.pages_count
    elif pdf.header_text:
        truth.sentences[pdf.header_text] += pdf.pages_count
    if pdf.numbered and pdf.pages_count > 1:
        truth.lost["header or footer"] += pdf.pages_count
    elif pdf.numbered:
        truth.sentences["Page 1"] += 1
    truth.data = bytes(pdf.output())
    return truth


class _Paper(FPDF):
    """A paper with a header and a page's number."""

    def __init__(self, *, header: str, numbered: bool) -> None:
        super().__init__()
        self.header_text = header
        self.numbered = numbered

    def header(self) -> None:
        if self.header_text:
            self.set_y(10)
            self.set_font("Helvetica", "", 9)
            self.cell(0, 6, self.header_text, new_x="LMARGIN", new_y="NEXT")
        self.set_y(24)

    def footer(self) -> None:
        if self.numbered:
            self.set_y(-15)
            self.set_font("Helvetica", "", 9)
            self.cell(0, 6, f"Page {self.page_no()}", align="C")


def _block(pdf: FPDF, draw: Draw, truth: Truth) -> None:
    pdf.set_font("Helvetica", "", 11)
    match draw.choice(["p", "p", "p", "h", "ruled", "ruled", "open", "columns", "raised", "list"]):
        case "p":
            sentences = draw.paragraph(6)
            truth.sentences.update(sentences)
            pdf.multi_cell(0, 6, " ".join(sentences), align="L", new_x="LMARGIN", new_y="NEXT")
            pdf.ln(4)
        case "list":
            for _ in range(3):
                truth.sentences[sentence := draw.sentence()] += 1
                pdf.multi_cell(0, 6, f"- {sentence}", align="L", new_x="LMARGIN", new_y="NEXT")
                pdf.ln(1)
            pdf.ln(3)
        case "h":
            sentence, heading = draw.sentence(), draw.heading()
            truth.sentences[sentence] += 1
            truth.headings.add(heading)
            if pdf.will_page_break(40):
                pdf.add_page()
            pdf.set_font("Helvetica", "B", 15)
            pdf.multi_cell(0, 9, heading, new_x="LMARGIN", new_y="NEXT")
            pdf.set_font("Helvetica", "", 11)
            pdf.multi_cell(0, 6, sentence, align="L", new_x="LMARGIN", new_y="NEXT")
            pdf.ln(4)
        case "ruled":
            _ruled(pdf, draw, truth)
        case "open":
            _open(pdf, draw, truth)
        case "columns":
            _columns(pdf, draw, truth)
        case _:
            _raised(pdf, draw, truth)


def _room(pdf: FPDF, height: float) -> None:
    if pdf.will_page_break(height):
        pdf.add_page()


def _ruled(pdf: FPDF, draw: Draw, truth: Truth) -> None:
    table: Table = draw.table()
    truth.sentences.update(table.rows)
    _room(pdf, 9.0 * (len(table.body) + len(table.header)) + 12)
    pdf.set_font("Helvetica", "", 9)
    with pdf.table(text_align="LEFT", num_heading_rows=len(table.header), line_height=6, padding=1) as drawn:
        for cells in (*table.header, *table.body):
            row = drawn.row()
            for cell in cells:
                row.cell(cell.text, colspan=cell.columns, rowspan=cell.rows)
    pdf.ln(5)


def _open(pdf: FPDF, draw: Draw, truth: Truth) -> None:
    """Draw a table without rules."""
    table = draw.table(spans=False, width=draw.randint(2, 3))
    truth.sentences.update(table.rows)
    _room(pdf, 7.0 * (len(table.body) + 1) + 10)
    for cells in (*table.header, *table.body):
        for cell in cells:
            pdf.cell(52, 7, cell.text)
        pdf.ln(7)
    pdf.ln(6)


def _columns(pdf: FPDF, draw: Draw, truth: Truth) -> None:
    """Draw two columns of prose."""
    _room(pdf, 110)
    top, left = pdf.get_y(), pdf.l_margin
    width = (pdf.w - pdf.l_margin - pdf.r_margin - 12) / 2
    bottom = top
    for column in range(2):
        sentences = draw.paragraph(1) + [draw.sentence() for _ in range(4)]
        truth.sentences.update(sentences)
        pdf.set_xy(left + column * (width + 12), top)
        pdf.multi_cell(width, 5.5, " ".join(sentences), align=draw.choice(["L", "J"]), new_x="LEFT", new_y="NEXT")
        bottom = max(bottom, pdf.get_y())
    pdf.set_xy(left, bottom + 6)


def _raised(pdf: FPDF, draw: Draw, truth: Truth) -> None:
    """Draw a sentence with a raised mark or power."""
    number = draw.number()
    before, mark, after, read = draw.choice(
        [
            (f"The toll is {number} euros", "1", " for boats.", f"The toll is {number} euros [1] for boats."),
            (f"The toll is {number}", "2", " for boats.", f"The toll is {number} [2] for boats."),
            (f"The deck has {number} m", "2", " of wood.", f"The deck has {number} m² of wood."),
        ]
    )
    truth.sentences[read] += 1
    _room(pdf, 20)
    pdf.write(6, before)
    pdf.char_vpos = CharVPos.SUP
    pdf.write(6, mark)
    pdf.char_vpos = CharVPos.LINE
    pdf.write(6, after)
    pdf.ln(10)


def _rotated(pdf: FPDF, draw: Draw, truth: Truth) -> None:
    truth.sentences[sentence := draw.sentence()] += 1
    pdf.add_page()
    pdf.set_font("Helvetica", "", 11)
    with pdf.rotation(draw.choice([90, 270, 45, 180, 30]), 105, 150):
        pdf.text(60, 150, sentence)
