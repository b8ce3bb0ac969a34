"""Reads the text within one block of HTML, with its superscripts marked."""

from selectolax.lexbor import LexborNode

from activities.adapters.documents.scripts import lowered, raised

INLINE = frozenset(
    [
        "a",
        "abbr",
        "acronym",
        "b",
        "bdi",
        "bdo",
        "big",
        "cite",
        "code",
        "data",
        "del",
        "dfn",
        "em",
        "font",
        "i",
        "img",
        "ins",
        "kbd",
        "label",
        "mark",
        "nobr",
        "q",
        "rb",
        "rp",
        "rt",
        "rtc",
        "ruby",
        "s",
        "samp",
        "small",
        "span",
        "strike",
        "strong",
        "sub",
        "sup",
        "time",
        "tt",
        "u",
        "var",
        "wbr",
        "br",
    ]
)
"""The tags within a line; every other tag begins and ends a line."""


def text_of(node: LexborNode, *, lines: bool = False, itself: bool = False, without_tables: bool = False) -> str:
    """Return the text in a node; blocks and line breaks in it are parted by spaces, or by line breaks for `lines`.

    `itself` marks the node's own being a superscript too. `without_tables` leaves the text of tables in it out. It
    walks without recursion, so that no nesting is too deep.
    """
    parting = "\n" if lines else " "
    parts: list[str] = []
    stack: list[LexborNode | str] = [node] if itself else _children(node)
    while stack:
        one = stack.pop()
        if isinstance(one, str):
            parts.append(one)
        elif one.is_text_node:
            parts.append(one.text_content or "")
        elif one.is_element_node:
            tag = one.tag or ""
            if tag == "sup":
                linked = bool(one.css("a")) or (one.parent is not None and one.parent.tag == "a")
                parts.append(raised(one.text(), linked=linked))
            elif tag == "sub":
                parts.append(lowered(one.text()))
            elif tag == "br" or (tag == "table" and without_tables):
                parts.append(parting)
            elif tag in INLINE:
                stack.extend(_children(one))
            else:
                stack.append(parting)
                stack.extend(_children(one))
                parts.append(parting)
    return "".join(parts)


def _children(node: LexborNode) -> list[LexborNode | str]:
    """Return the children, the last one first."""
    children: list[LexborNode | str] = [*node.iter(include_text=True)]
    return children[::-1]
