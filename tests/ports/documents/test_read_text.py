"""Every kind of file becomes one text, line by line."""

import pytest

from activities.adapters.documents.plain import read_text
from activities.ports import UnreadableDocument

PAGE = """# Bill

From us.

## Items

| Item | Amount |
| --- | --- |
| Rope | 5 euros |

### Notes

Paid.

## Contact

Ada
"""


def test_a_document_is_its_title_its_headings_and_its_lines() -> None:
    assert read_text("bill.md", PAGE.encode()).split("\n") == [
        *("Bill", "From us.", "Items", "Item: Rope; Amount: 5 euros.", "Notes", "Paid.", "Contact", "Ada"),
    ]


@pytest.mark.parametrize("name", ["bill.txt", "bill", "BILL.TXT"])
def test_a_text_file_is_its_own_text(name: str) -> None:
    assert read_text(name, "\ufeffTotal:  5 €\r\nPaid".encode()) == "Total:  5 €\nPaid"


@pytest.mark.parametrize(
    ("name", "data", "complaint"),
    [
        ("bill.zip", b"PK", "files that end in '.zip' are not known"),
        ("bill.docx", b"PK", "it is not a sound .docx file"),
        ("bill.txt", b" \n", "it is empty"),
        ("bill.txt", b"\xb7\xd1\xb3\xb5\xb2\xee", "byte 0 is not UTF-8"),
        ("bill.txt", b"\xff\xfe\x00", "it holds no text"),
        ("bill.pdf", b"%PDF-1.4 nothing", "it is not a sound PDF"),
    ],
)
def test_what_cannot_be_read_is_named(name: str, data: bytes, complaint: str) -> None:
    with pytest.raises(UnreadableDocument) as refusal:
        read_text(name, data)
    assert complaint in str(refusal.value)
    assert name in str(refusal.value)
