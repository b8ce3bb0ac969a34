"""Build the PDF documents of the extraction data sets from the texts in their pdf_sources/.

Run ``python -m evals.datasets.extraction.make_pdfs`` (needs fpdf2) after changing a source. Sources have the
format of the handbook's, and the same code builds them.
"""

from pathlib import Path

from evals.datasets.handbook.make_pdfs import build

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Build every source."""
    for path in sorted(HERE.glob("*/pdf_sources/*.md")):
        build(path, path.parent.parent / "documents" / f"{path.stem}.pdf")


if __name__ == "__main__":
    main()
