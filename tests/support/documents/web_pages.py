"""Writes drawn documents as HTML and Markdown, in the layouts and encodings in which they come."""

from html import escape

from tests.support.documents.truth import Draw, Span, Table, Truth

_ENCODINGS = {
    "western": ["utf-8", "utf-8", "utf-8-sig", "utf-16", "windows-1252", "iso-8859-1"],
    "all": ["utf-8", "utf-8-sig", "utf-16", "gb18030"],
}


def page(seed: object) -> Truth:
    """Draw an HTML page: in a form, a layout table or nested articles, with controls, hidden parts and navigation."""
    draw = Draw(f"page {seed}")
    letters = draw.choice(list(_ENCODINGS))
    draw = Draw(f"page {seed} {letters}", letters)
    truth = Truth("page.html")
    parts = [_block(draw, truth) for _ in range(draw.randint(2, 9))]
    body = "\n".join([*parts, f"<p>{escape(_sentence(draw, truth))}"])
    wrapper = draw.choice(["main", "form", "div", "article", "layout", "none", "articles"])
    if wrapper == "layout":
        body = f"<table><tr><td>{body}</td></tr></table>"
    elif wrapper == "articles":
        truth.sentences[inner := draw.sentence()] += 1
        body = f"<article>{body}<article><h3>Reply</h3><p>{inner}</p></article></article>"
    elif wrapper != "none":
        body = f"<{wrapper} id=x>{body}</{wrapper}>"
    if wrapper != "main" and draw.random() < 0.5:
        truth.hidden.append(hidden := draw.sentence())
        truth.lost["navigation"] += 1
        body = f"<nav><a href=/>{hidden}</a></nav>{body}"
    encoding = draw.choice(_ENCODINGS[letters])
    declared = "" if encoding.startswith("utf-") and draw.random() < 0.5 else f"<meta charset={encoding}>"
    if encoding in {"windows-1252", "iso-8859-1", "gb18030"}:
        declared = f"<!-- {'x' * draw.choice([0, 3_000])} -->" + draw.choice(
            [f"<meta charset='{encoding}'>", f'<meta http-equiv=Content-Type content="text/html; charset={encoding}">']
        )
    text = f"<!doctype html><html><head>{declared}<title>The page</title></head><body>{body}</body></html>"
    truth.data = text.encode(encoding.removesuffix("-sig"), "xmlcharrefreplace")
    if encoding == "utf-8-sig":
        truth.data = text.encode("utf-8-sig")
    return truth


def markdown(seed: object) -> Truth:
    """Draw a Markdown file: with front matter of any kind or a rule, footnotes, raw HTML, struck-out text."""
    draw = Draw(f"markdown {seed}", "all")
    truth = Truth("notes.md")
    parts: list[str] = []
    front = draw.choice(["none", "known", "odd", "rule", "broken"])
    if front == "known":
        parts.append("---\ntitle: >-\n  The\n  notes\nversion: 3 # the third\ndate: 2026-03-01\n---")
    elif front == "odd":
        parts.append("---\ntitle: Notes\nversion: 1.2.0\nauthor: Ada\ndate: soon\n---")
        truth.lost.update({"metadata 'version'": 1, "metadata 'author'": 1, "metadata 'date'": 1})
    elif front == "rule":
        parts.append(f"---\n\n{_sentence(draw, truth)}\n\n---")
    elif front == "broken":
        parts.append("---\ntitle: Notes: the first\ntags: [a, b\n---")
        truth.lost.update({"front matter that is no sound YAML": 1, "metadata 'tags'": 1})
    notes: list[str] = []
    parts.extend(_markdown_block(draw, truth, number, notes) for number in range(draw.randint(2, 8)))
    text = "\n\n".join([*parts, *notes]) + "\n"
    truth.data = text.replace("\n", draw.choice(["\n", "\r\n"])).encode(draw.choice(["utf-8", "utf-8-sig"]))
    return truth


def html_table(table: Table, draw: Draw) -> str:
    """Return a table as HTML, with or without a head, closing tags and quotes."""
    close = draw.choice(["", "/"])

    def row(cells: tuple[Span, ...], tag: str) -> str:
        end = f"</{tag}>" if close else ""
        return f"<tr>{''.join(f'<{tag}{_spans(cell, draw)}>{escape(cell.text)}{end}' for cell in cells)}" + (
            "</tr>" if close else ""
        )

    head = "\n".join(row(cells, "th") for cells in table.header)
    body = "\n".join(row(cells, "td") for cells in table.body)
    if draw.random() < 0.5:
        return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"
    return f"<table>\n{head}\n{body}\n</table>"


def _spans(cell: Span, draw: Draw) -> str:
    quote = draw.choice(["", "'", '"'])
    spans = (("colspan", cell.columns), ("rowspan", cell.rows))
    return "".join(f" {name}={quote}{value}{quote}" for name, value in spans if value > 1)


def _sentence(draw: Draw, truth: Truth) -> str:
    sentence = draw.sentence()
    truth.sentences[sentence] += 1
    return sentence


def _block(draw: Draw, truth: Truth) -> str:  # noqa: PLR0911 - a return for each kind
    """Return a part of a page, and note what it holds."""
    kind = draw.choice(
        ["p", "p", "p", "list", "table", "h", "hidden", "control", "script", "div", "pre", "image", "dl"]
    )
    match kind:
        case "p":
            return f"<p>{escape(' '.join(_sentence(draw, truth) for _ in range(draw.randint(1, 4))))}</p>"
        case "div":
            return f"<div><span>{escape(_sentence(draw, truth))}</span><br>{escape(_sentence(draw, truth))}</div>"
        case "pre":
            return f"<pre>{escape(_sentence(draw, truth))}\n{escape(_sentence(draw, truth))}</pre>"
        case "list":
            return f"<ul>{''.join(f'<li>{escape(_sentence(draw, truth))}' for _ in range(3))}</ul>"
        case "dl":
            sentence = draw.sentence()
            truth.sentences[f"Term: {sentence}"] += 1
            return f"<dl><dt>Term</dt><dd>{escape(sentence)}</dd></dl>"
        case "table":
            table = draw.table()
            truth.sentences.update(table.rows)
            return html_table(table, draw)
        case "h":
            heading, sentence = draw.heading(), _sentence(draw, truth)
            truth.headings.add(heading)
            return f"<h2>{escape(heading)}</h2><p>{escape(sentence)}</p>"
        case "script":
            return _scripts(draw, truth)
        case _:
            return _left_out(draw, truth, kind)


def _left_out(draw: Draw, truth: Truth, kind: str) -> str:
    """Return a part that is not read."""
    truth.hidden.append(hidden := draw.sentence())
    if kind == "hidden":
        truth.lost["hidden text"] += 1
        mark = draw.choice(["hidden", "style='display: none'", "aria-hidden=true"])
        return f"<div {mark}><p>{escape(hidden)}</p></div><!-- {draw.number()} --><script>x={draw.number()}</script>"
    if kind == "image":
        truth.lost["image"] += 1
        return f"<img src=x.png alt='{escape(hidden)}'>"
    truth.lost["form control"] += 1
    control = draw.choice(["<button>{}</button>", "<select><option>{}</option></select>", "<textarea>{}</textarea>"])
    return control.format(escape(hidden))


def _scripts(draw: Draw, truth: Truth) -> str:
    """Return a sentence with a superscript or subscript that joins no digits."""
    number = draw.number()
    written, read = draw.choice(
        [
            (f"The mooring fee is {number} euros<sup>1</sup> a day.", f"The mooring fee is {number} euros [1] a day."),
            (f"The fee is {number}<sup>2</sup> today.", f"The fee is {number} [2] today."),
            (f"It takes {number} m<sup>2</sup> of deck.", f"It takes {number} m² of deck."),
            (f"It has 10<sup>6</sup> parts, {number} of them red.", f"It has 10⁶ parts, {number} of them red."),
            (f"The H<sub>2</sub>O tank {number} is full.", f"The H2O tank {number} is full."),
            (f"On the 1<sup>st</sup> day {number} came.", f"On the 1st day {number} came."),
        ]
    )
    truth.sentences[read] += 1
    return f"<p>{written}</p>"


def _markdown_block(  # noqa: C901, PLR0911 - a return for each kind
    draw: Draw, truth: Truth, number: int, notes: list[str]
) -> str:
    match draw.choice(["p", "p", "list", "table", "html", "h", "note", "struck", "code", "script", "quote"]):
        case "p":
            return "\n".join(_sentence(draw, truth) for _ in range(draw.randint(1, 4)))
        case "list":
            return "\n".join(f"- {_sentence(draw, truth)}" for _ in range(3))
        case "quote":
            return f"> {_sentence(draw, truth)}"
        case "code":
            return f"```\n{_sentence(draw, truth)}\n```"
        case "table":
            table = draw.table(spans=False)
            truth.sentences.update(table.rows)
            rows = [table.header[0], *table.body]
            lines = [f"| {' | '.join(cell.text for cell in row)} |" for row in rows]
            return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])
        case "html":
            table = draw.table()
            truth.sentences.update(table.rows)
            return html_table(table, draw)
        case "h":
            heading, sentence = draw.heading(), _sentence(draw, truth)
            truth.headings.add(heading)
            return f"## {heading}\n\n{sentence}"
        case "note":
            label, note = f"n{number}", draw.sentence()
            amount = draw.number()
            truth.sentences[f"The toll is {amount} euros [{label}] here."] += 1
            truth.sentences[f"[{label}] {note}"] += 1
            reference, definition = f"The toll is {amount} euros[^{label}] here.", f"[^{label}]: {note}"
            if draw.random() < 0.5:
                notes.append(definition)
                return reference
            return f"{reference}\n\n{definition}"
        case "struck":
            truth.hidden.append(gone := draw.number())
            amount = draw.number()
            truth.lost["struck-out text"] += 1
            truth.sentences[f"It is {amount} euros."] += 1
            return f"It is ~~{gone}~~ {amount} euros."
        case _:
            return _scripts(draw, truth).removeprefix("<p>").removesuffix("</p>")
