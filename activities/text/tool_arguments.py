"""Reads the arguments and the name of a tool call that a model wrote. Everything that handles a call uses these.

What a person approves, what the tool is sent, and what a server is shown of the call later, all come from `read`: so
they are the same. The text as the model wrote it stays in the transcript.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any, cast

from activities.text.strict_json import BLANK, NotJson, canonical, mended
from perdure.contracts.contract import BadInput

SHOWN = 80
"""The most characters of unreadable arguments that the model is shown again."""

LONGEST_NAME = 64
"""The most characters of a tool's name in the protocols of model servers."""

NAMESPACES = frozenset({"functions", "function", "tools", "tool", "default_api", "api"})
"""The words that models write before a tool's name, with a dot, a colon or a slash between them."""

_PARTS = re.compile(r"[.:/]+")
_FOREIGN = re.compile(r"[^A-Za-z0-9_-]")


def read(arguments: str | Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call, an object. Raises `BadInput`, which tells the model what was wrong.

    Blanks and `null` are no arguments. Arguments that were encoded twice, stand in a code fence or have a trailing
    comma are read. Anything with two meanings is refused: two objects in a row, a key that stands twice, a cut text.
    """
    if not isinstance(arguments, str):
        try:
            arguments = canonical(dict(arguments))
        except (TypeError, ValueError, RecursionError):
            raise BadInput("arguments: they are no JSON object: send one like the schema's") from None
    if not arguments.strip(BLANK):
        return {}
    try:
        value = mended(arguments)
        if isinstance(value, str):
            value = mended(value) if value.strip(BLANK) else None
    except NotJson as error:
        raise BadInput(f"arguments: they are no JSON: {error}. {_shown(arguments)}") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadInput(f"arguments: they are no JSON object. {_shown(arguments)}")
    return cast("dict[str, Any]", value)


def agreed(arguments: str) -> str:
    """Return the text of a call's arguments that is approved and sent: canonical where it can be read, else as it is.

    Arguments that cannot be read are rejected before anybody is asked, and the tool is not called.
    """
    try:
        return canonical(read(arguments))
    except BadInput:
        return arguments


def for_server(arguments: str) -> str:
    """Return the arguments of a past call as a server takes them back: always a JSON object.

    Servers parse the history that they are sent, and refuse the whole request where that fails. So arguments that
    cannot be read are shown as no arguments; the call's result says what was wrong with them.
    """
    try:
        return canonical(read(arguments))
    except BadInput:
        return "{}"


def granted_name(name: str, granted: Collection[str]) -> str:
    """Return the name of the granted tool that a model means: `functions.calculator` is `calculator`.

    The name stays as it is where it is granted itself, and where it means no granted tool.
    """
    plain = name.strip(BLANK)
    if plain in granted:
        return plain
    *spaces, last = _PARTS.split(plain)
    return last if spaces and last in granted and all(space in NAMESPACES for space in spaces) else name


def name_for_server(name: str, granted: Collection[str]) -> str:
    """Return the name of a past call as a server takes it back: letters, digits, `_` and `-`, at most 64."""
    return _FOREIGN.sub("_", granted_name(name, granted))[:LONGEST_NAME] or "unnamed"


def _shown(arguments: str) -> str:
    """Return the request to write arguments again, with their beginning as the model wrote it."""
    beginning = arguments if len(arguments) <= SHOWN else f"{arguments[:SHOWN]}..."
    return f"Send one object like the schema's. You wrote {beginning!a}"
