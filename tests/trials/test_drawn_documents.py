"""Documents of every kind and layout whose truth is known: nothing is invented, nothing is lost in silence."""

from collections.abc import Callable
from random import Random

import pytest

from tests.support.documents import office, papers, plain_files, web_pages
from tests.support.documents.reading import faults, read
from tests.support.documents.truth import Truth
from tests.trials.conftest import Report

KINDS: dict[str, Callable[[object], Truth]] = {
    "HTML": web_pages.page,
    "Markdown": web_pages.markdown,
    "PDF": papers.paper,
    "Word": office.letter,
    "Excel": office.workbook,
    "PowerPoint": office.slides,
    "CSV": plain_files.values,
    "JSON": plain_files.record,
    "text": plain_files.note,
    "e-mail": plain_files.mail,
}

SAMPLE, ALL = 15, 200
"""The number of documents of each kind in the ordinary tests, and with `--chaos=all`."""


@pytest.mark.parametrize("kind", KINDS)
def test_no_sentence_and_no_number_is_invented_or_lost_in_silence(
    kind: str, report: Report, request: pytest.FixtureRequest
) -> None:
    count = SAMPLE if request.config.getoption("chaos") == "sample" else ALL
    draw = Random(report.seed)  # noqa: S311 - a trial, not a secret
    sentences = losses = 0
    for _ in range(count):
        seed = draw.randrange(10**9)
        truth = KINDS[kind](seed)
        document = read(truth)
        assert faults(truth, document) == [], f"{KINDS[kind].__name__}({seed}) draws it again"
        sentences += truth.sentences.total()
        losses += truth.lost.total()
    report.lines.append(
        f"{count} drawn documents, {kind}: {sentences} sentences and rows, 0 invented, 0 lost; {losses} losses said"
    )
