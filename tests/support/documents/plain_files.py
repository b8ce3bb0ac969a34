"""Writes drawn documents as CSV, TSV, JSON, text and e-mail."""

import csv
import io
import json
import textwrap
from email.message import EmailMessage
from html import escape
from typing import Any

from tests.support.documents.truth import Draw, Truth, sentence_of


def values(seed: object) -> Truth:
    """Draw a CSV or TSV file, with any delimiter, quotes, line breaks in cells, and encodings."""
    draw = Draw(f"values {seed}", "western")
    delimiter = draw.choice([",", ";", "\t", "|"])
    truth = Truth("values.tsv" if delimiter == "\t" else "values.csv")
    names = [f"{draw.word().capitalize()} {chr(65 + column)}" for column in range(draw.randint(2, 6))]
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator=draw.choice(["\n", "\r\n"]))
    writer.writerow(names)
    for _ in range(draw.randint(2, 12)):
        row = [draw.cell() for _ in names]
        if draw.random() < 0.3:
            row[-1] = f'The "{draw.word()}", {draw.number()}; or\n{draw.number()}'
        writer.writerow(row)
        truth.sentences[sentence_of(names, [" ".join(cell.split()) for cell in row])] += 1
    encoding = draw.choice(["utf-8", "utf-8-sig", "utf-16", "cp1252"])
    truth.data = stream.getvalue().encode(encoding)
    if encoding == "cp1252" and not stream.getvalue().isascii():
        truth.lost["its encoding is not UTF-8"] += 1
    return truth


def record(seed: object) -> Truth:
    """Draw a JSON file: objects in objects, lists of values, and lists of objects that are tables."""
    draw = Draw(f"record {seed}", "all")
    truth = Truth("record.json")
    content: dict[str, Any] = {}
    for number in range(draw.randint(1, 6)):
        name = f"part {chr(97 + number)}"
        match draw.choice(["text", "number", "object", "list", "table", "empty"]):
            case "text":
                content[name] = draw.sentence()
                truth.sentences[f"{name}: {content[name]}"] += 1
            case "number":
                content[name] = int(draw.number())
                truth.sentences[f"{name}: {content[name]}"] += 1
            case "object":
                content[name] = {"open": True, "price": {"net": int(draw.number())}}
                truth.sentences[f"{name} > open: true"] += 1
                truth.sentences[f"{name} > price > net: {content[name]['price']['net']}"] += 1
            case "list":
                content[name] = [draw.number(), draw.number()]
                truth.sentences.update(f"{name}: {value}" for value in content[name])
            case "table":
                rows = [{"item": draw.cell(), "amount": int(draw.number())} for _ in range(3)]
                content[name] = rows
                truth.sentences[f"{name}:"] += 1
                truth.sentences.update(f"item: {row['item']}; amount: {row['amount']}." for row in rows)
            case _:
                content[name] = draw.choice([None, ""])
                truth.lost["empty value"] += 1
    content["last"] = draw.number()
    truth.sentences[f"last: {content['last']}"] += 1
    truth.data = json.dumps(content, ensure_ascii=draw.random() < 0.5, indent=draw.choice([None, 2])).encode()
    return truth


def note(seed: object) -> Truth:
    """Draw a text file, whose lines are wrapped or not."""
    draw = Draw(f"note {seed}", "western")
    truth = Truth("note.txt")
    paragraphs: list[str] = []
    for _ in range(draw.randint(1, 6)):
        sentences = [*draw.paragraph(), draw.sentence()]
        truth.sentences.update(sentences)
        paragraphs.append(" ".join(sentences))
    wrapped = draw.random() < 0.5
    text = "\n\n".join(textwrap.fill(one, 76, break_on_hyphens=False) if wrapped else one for one in paragraphs)
    text = text.replace("\n", draw.choice(["\n", "\r\n"]))
    encoding = draw.choice(["utf-8", "utf-8-sig", "utf-16", "cp1252"])
    truth.data = text.encode(encoding)
    if encoding == "cp1252" and not text.isascii():
        truth.lost["its encoding is not UTF-8"] += 1
    return truth


def mail(seed: object) -> Truth:
    """Draw an e-mail: plain, HTML or both, in any transfer encoding and charset, with attachments."""
    draw = Draw(f"mail {seed}", "western")
    truth = Truth("mail.eml")
    message = EmailMessage()
    message["From"], message["To"] = "Ada <ada@example.org>", "bob@example.org"
    message["Subject"] = f"The toll of {draw.number()} é"
    truth.sentences.update(["From: Ada <ada@example.org>", "To: bob@example.org"])
    paragraphs = [draw.paragraph(3) for _ in range(draw.randint(1, 4))]
    for paragraph in paragraphs:
        truth.sentences.update(paragraph)
    text = "\n\n".join(" ".join(paragraph) for paragraph in paragraphs)
    page = "".join(f"<p>{escape(' '.join(paragraph))}</p>" for paragraph in paragraphs)
    charset = draw.choice(["utf-8", "iso-8859-1", "windows-1252"])
    transfer = draw.choice(["quoted-printable", "base64", "8bit"])
    kind = draw.choice(["plain", "page", "both"])
    if kind == "page":
        message.set_content(f"<html><body>{page}</body></html>", subtype="html", charset=charset, cte=transfer)
    else:
        message.set_content(text, charset=charset, cte=transfer)
    if kind == "both":
        message.add_alternative(f"<html><body>{page}</body></html>", subtype="html", charset="utf-8")
    if draw.random() < 0.4:
        message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="bill.pdf")
        truth.lost["attachment 'bill.pdf'"] += 1
    truth.data = message.as_bytes()
    return truth
