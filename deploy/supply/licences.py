"""The licence of each locked package as an SPDX expression, and which licences may be shipped."""

import re
from collections.abc import Iterator, Sequence

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from deploy.supply.packages import Pin, installed

ALLOWED = frozenset(
    {
        "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CNRI-Python", "ISC", "MIT", "MIT-0",
        "MIT-CMU", "PostgreSQL", "PSF-2.0", "Zlib",
        "MPL-2.0",  # its files stay under it, and are not changed here
        "LGPL-3.0-only", "LGPL-3.0-or-later",  # libraries that Python loads, unchanged: anybody may put others in place
    }
)  # fmt: skip
"""The licences that may be shipped with an Apache-2.0 platform. Everything else is refused, until somebody has read
it."""

CLASSIFIERS = {
    "MIT License": "MIT",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""The classifiers of the index as SPDX ids."""

TEXTS = {
    "3-clause bsd license": "BSD-3-Clause",
    "apache 2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd 2-clause license": "BSD-2-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "isc license": "ISC",
    "mit license": "MIT",
    "the mit license (mit)": "MIT",
    "psfl": "PSF-2.0",
}
"""What packages write in the field `License`, in lower case, as SPDX ids."""

READ = {
    "async-timeout": "Apache-2.0",
    "colorama": "BSD-3-Clause",
    "httpx2-jsfetch": "BSD-3-Clause",
    "pypdfium2": "BSD-3-Clause AND Apache-2.0",
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
    "pywin32": "PSF-2.0",
}
"""The licences of packages that are for other systems, or whose metadata is no SPDX id: read by a person."""

UNKNOWN = "unknown"


def licence_of(name: str) -> str:
    """Return a package's licence as an SPDX expression; `unknown` where its metadata does not say it."""
    if name in READ:
        return READ[name]
    package = installed(name)
    if package is None:
        return UNKNOWN
    metadata = package.metadata
    for field in ("License-Expression", "License"):
        for written in metadata.get_all(field) or ():
            if expression := _expression(str(written)):
                return expression
    classifiers = [each.rpartition(" :: ")[2] for each in metadata.get_all("Classifier") or () if "License ::" in each]
    known = sorted({CLASSIFIERS[each] for each in classifiers if each in CLASSIFIERS})
    return " OR ".join(known) if known else UNKNOWN


def _expression(written: str) -> str | None:
    title = written.strip().partition("\n")[0].strip()  # some write the whole text there
    if known := TEXTS.get(title.lower()):
        return known
    try:
        return str(canonicalize_license_expression(title)) if title else None
    except InvalidLicenseExpression:
        return None


def is_allowed(expression: str) -> bool:
    """Return whether an expression can be met by allowed licences alone: each part of AND, one part of OR."""
    tokens = re.findall(r"\(|\)|[^\s()]+", expression)
    allowed, rest = _either(tokens)
    return allowed and not rest


def _either(tokens: Sequence[str]) -> tuple[bool, Sequence[str]]:
    allowed, rest = _both(tokens)
    while rest and rest[0] == "OR":
        other, rest = _both(rest[1:])
        allowed = allowed or other
    return allowed, rest


def _both(tokens: Sequence[str]) -> tuple[bool, Sequence[str]]:
    allowed, rest = _one(tokens)
    while rest and rest[0] == "AND":
        other, rest = _one(rest[1:])
        allowed = allowed and other
    return allowed, rest


def _one(tokens: Sequence[str]) -> tuple[bool, Sequence[str]]:
    if not tokens:
        return False, tokens
    if tokens[0] == "(":
        allowed, rest = _either(tokens[1:])
        return allowed and bool(rest) and rest[0] == ")", rest[1:]
    if len(tokens) > 1 and tokens[1] == "WITH":
        return " ".join(tokens[:3]) in ALLOWED, tokens[3:]
    return tokens[0] in ALLOWED, tokens[1:]


def problems(pins: Sequence[Pin]) -> Iterator[str]:
    """Yield a line for each package whose licence is unknown or may not be shipped."""
    for pin in pins:
        licence = licence_of(pin.name)
        if licence == UNKNOWN:
            yield f"{pin.name} {pin.version}: its licence is unknown: read it, and write it into READ"
        elif not is_allowed(licence):
            yield f"{pin.name} {pin.version}: {licence} may not be shipped: replace the package, or have it allowed"
