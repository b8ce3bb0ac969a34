"""Writes drawn documents as Word, Excel and PowerPoint files, with merged cells and what a reader leaves out."""

import io
from datetime import date
from typing import Any

import docx
import openpyxl
import pptx
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from openpyxl.comments import Comment
from pptx.util import Inches

from tests.support.documents.truth import Draw, Table, Truth, sentence_of


def letter(seed: object) -> Truth:
    """Draw a .docx file."""
    draw = Draw(f"letter {seed}", "all")
    truth = Truth("letter.docx")
    document: Any = docx.Document()
    for _ in range(draw.randint(2, 9)):
        match draw.choice(["p", "p", "h", "list", "table", "table", "raised", "struck", "inserted", "header"]):
            case "p":
                sentences = draw.paragraph()
                truth.sentences.update(sentences)
                document.add_paragraph(" ".join(sentences))
            case "h":
                heading, sentence = draw.heading(), draw.sentence()
                truth.headings.add(heading)
                truth.sentences[sentence] += 1
                document.add_heading(heading, draw.randint(2, 4))
                document.add_paragraph(sentence)
            case "list":
                for _ in range(3):
                    truth.sentences[sentence := draw.sentence()] += 1
                    document.add_paragraph(sentence, style="List Bullet")
            case "table":
                _word_table(document, draw.table(), truth)
            case "header":
                section = document.sections[0]
                if section.header.is_linked_to_previous:
                    truth.hidden.append(hidden := draw.sentence())
                    truth.lost["header or footer"] += 1
                    section.header.paragraphs[0].text = hidden
            case kind:
                _run(document, draw, truth, kind)
    document.add_paragraph(last := draw.sentence())
    truth.sentences[last] += 1
    truth.data = _saved(document)
    return truth


def _run(document: Any, draw: Draw, truth: Truth, kind: str) -> None:
    paragraph = document.add_paragraph()
    number = draw.number()
    if kind == "raised":
        paragraph.add_run(f"The toll is {number} euros")
        paragraph.add_run("1").font.superscript = True
        paragraph.add_run(" a day.")
        truth.sentences[f"The toll is {number} euros [1] a day."] += 1
    elif kind == "struck":
        truth.hidden.append(gone := draw.number())
        paragraph.add_run("It is ")
        paragraph.add_run(f"{gone} ").font.strike = True
        paragraph.add_run(f"{number} euros.")
        truth.lost["struck-out text"] += 1
        truth.sentences[f"It is {number} euros."] += 1
    else:
        inserted: Any = parse_xml(f"<w:ins {nsdecls('w')}/>")
        run = paragraph.add_run(f"The new toll is {number} euros.")
        paragraph._p.append(inserted)  # noqa: SLF001 - the library has no tracked changes
        inserted.append(run._r)  # noqa: SLF001
        truth.sentences[f"The new toll is {number} euros."] += 1


def _word_table(document: Any, table: Table, truth: Truth) -> None:
    truth.sentences.update(table.rows)
    rows = (*table.header, *table.body)
    width = sum(cell.columns for cell in table.header[0])
    drawn = document.add_table(rows=len(rows), cols=width)
    for row, column, cell in _placed(rows, width):
        first = drawn.cell(row, column)
        if cell.columns > 1 or cell.rows > 1:
            first = first.merge(drawn.cell(row + cell.rows - 1, column + cell.columns - 1))
        first.text = cell.text


def _placed(rows: Any, width: int) -> list[tuple[int, int, Any]]:
    """Return each cell with its row and column."""
    taken: set[tuple[int, int]] = set()
    placed: list[tuple[int, int, Any]] = []
    for row, cells in enumerate(rows):
        waiting = list(cells)
        for column in range(width):
            if (row, column) in taken or not waiting:
                continue
            cell = waiting.pop(0)
            placed.append((row, column, cell))
            taken |= {(row + down, column + right) for down in range(cell.rows) for right in range(cell.columns)}
    return placed


def workbook(seed: object) -> Truth:
    """Draw an .xlsx file."""
    draw = Draw(f"workbook {seed}", "all")
    truth = Truth("workbook.xlsx")
    book: Any = openpyxl.Workbook()
    book.remove(book.active)
    for number in range(draw.randint(1, 3)):
        sheet = book.create_sheet(f"Sheet {draw.number()}")
        names = [f"{draw.word().capitalize()} {chr(65 + column)}" for column in range(draw.randint(2, 5))]
        row = 1
        if draw.random() < 0.3:
            truth.sentences[title := f"The list of {draw.number()}."] += 1
            sheet.cell(1, 1, title)
            row = 2
        for column, name in enumerate(names, 1):
            sheet.cell(row, column, name)
        start = row + 1
        for row in range(start, start + draw.randint(2, 5)):
            values = [_value(sheet.cell(row, column), draw) for column in range(1, len(names) + 1)]
            truth.sentences[sentence_of(names, values)] += 1
        if draw.random() < 0.3:
            sheet.cell(row + 1, 1, f"=SUM(A{start}:A{row})")
            truth.lost["formula without a saved value"] += 1
        if draw.random() < 0.3:
            sheet.cell(start, 1).comment = Comment("A remark.", "Ada")
            truth.lost["comment"] += 1
        if number and draw.random() < 0.3:
            hidden: Any = book.create_sheet("Hidden")
            hidden["A1"] = draw.number()
            hidden.sheet_state = "hidden"
            truth.hidden.append(hidden["A1"].value)
            truth.lost["hidden sheet"] += 1
        truth.headings.add(sheet.title)
    truth.data = _saved(book)
    return truth


def _value(cell: Any, draw: Draw) -> str:
    """Set a cell's value; return how it is shown."""
    number = int(draw.number())
    kind = draw.choice(["text", "whole", "share", "euros", "day", "fraction"])
    if kind == "text":
        cell.value = f"{draw.word()} {number}"
        return str(cell.value)
    if kind == "day":
        cell.value = date(2026, 1 + number % 12, 1 + number % 28)
        return cell.value.isoformat()
    cell.value, cell.number_format = {
        "whole": (number, "General"),
        "share": (number / 10_000, "0.00%"),
        "euros": (number, '#,##0 "€"'),
        "fraction": (number + 0.25, "0.00"),
    }[kind]
    return {"whole": str(number), "share": _share(number), "euros": f"{number} €", "fraction": f"{number}.25"}[kind]


def _share(number: int) -> str:
    whole, rest = divmod(number, 100)
    return f"{whole}.{rest:02d}".rstrip("0").rstrip(".") + "%"


def slides(seed: object) -> Truth:
    """Draw a .pptx file."""
    draw = Draw(f"slides {seed}", "all")
    truth = Truth("slides.pptx")
    presentation: Any = pptx.Presentation()
    for _ in range(draw.randint(1, 4)):
        slide = presentation.slides.add_slide(presentation.slide_layouts[5])
        slide.shapes.title.text = draw.heading()
        truth.headings.add(slide.shapes.title.text)
        top = 2.0
        for _ in range(draw.randint(1, 2)):
            truth.sentences[sentence := draw.sentence()] += 1
            box = slide.shapes.add_textbox(Inches(1), Inches(top), Inches(8), Inches(0.5))
            box.text_frame.text = sentence
            top += 0.6
        if draw.random() < 0.5:
            _slide_table(slide, draw.table(), top, truth)
        if draw.random() < 0.3:
            truth.sentences[sentence := draw.sentence()] += 1
            slide.notes_slide.notes_text_frame.text = sentence
    if draw.random() < 0.3:
        hidden = presentation.slides.add_slide(presentation.slide_layouts[5])
        hidden.shapes.title.text = draw.sentence()
        hidden.element.set("show", "0")
        truth.hidden.append(hidden.shapes.title.text)
        truth.lost["hidden slide"] += 1
    truth.data = _saved(presentation)
    return truth


def _slide_table(slide: Any, table: Table, top: float, truth: Truth) -> None:
    truth.sentences.update(table.rows)
    rows = (*table.header, *table.body)
    width = sum(cell.columns for cell in table.header[0])
    drawn = slide.shapes.add_table(len(rows), width, Inches(1), Inches(top), Inches(8), Inches(2)).table
    for row, column, cell in _placed(rows, width):
        first = drawn.cell(row, column)
        first.text = cell.text
        if cell.columns > 1 or cell.rows > 1:
            first.merge(drawn.cell(row + cell.rows - 1, column + cell.columns - 1))


def _saved(file: Any) -> bytes:
    stream = io.BytesIO()
    file.save(stream)
    return stream.getvalue()
