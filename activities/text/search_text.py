"""Normalises text for search: ligatures, widths and superscripts as people type them. Quotes are never made of it."""

import unicodedata

_INVISIBLE = {ord(sign): None for sign in "\xad\u200b\u200c\u200d\u2060\ufeff"}
_DETACHED = {"<super>": "^", "<sub>": "_", "<fraction>": " ", "<circle>": " "}
"""What stands between a number and a raised, lowered or circled one, so that 10² is never found as 102."""


def search_text(text: str) -> str:
    """Return the text as it is indexed and searched: in the form NFKC, without invisible characters.

    Digits that do not belong to a number never join it: 10² becomes `10^2`, m² becomes `m^2`, 5½ becomes `5 1/2`.
    """
    if text.isascii():
        return text
    pieces: list[str] = []
    kind = ""
    for sign in text.translate(_INVISIBLE):
        previous_kind, kind = kind, ""
        if sign.isascii():
            # A raised number ends before a plain one.
            if previous_kind and sign.isdigit():
                pieces.append(" ")
            pieces.append(sign)
            continue
        plain = unicodedata.normalize("NFKC", sign)
        digits = any(one.isdecimal() for one in plain)
        if digits and not sign.isdecimal():
            kind = unicodedata.decomposition(sign).partition(" ")[0] or "<compat>"
            before = pieces[-1][-1:] if pieces else ""
            if previous_kind != kind and before.isalnum() and (kind != "<sub>" or before.isdecimal()):
                pieces.append(_DETACHED.get(kind, " "))
            elif previous_kind == kind and kind not in {"<super>", "<sub>"}:
                pieces.append(" ")
            plain = plain.replace("\u2044", "/")
        elif previous_kind and sign.isdecimal():
            pieces.append(" ")
        elif sign in "™℠":
            plain = f" {plain}"
        pieces.append(plain or sign)
    return unicodedata.normalize("NFKC", "".join(pieces))
