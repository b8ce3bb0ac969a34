"""Reads fields of services' answers for the tools."""

from pydantic import JsonValue

from tools.errors import NoAnswer


def field_of(answer: JsonValue, name: str) -> str:
    """Return a text field of an answer. Raises `NoAnswer` where it is missing: the outcome of the call is unknown."""
    value = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(value, str) or not value:
        raise NoAnswer(f"the service answered without {name!r}: find out what became of the call")
    return value[:100]


def list_of(answer: JsonValue, name: str) -> list[JsonValue]:
    """Return a list field of an answer. Raises `NoAnswer` where it is missing: the outcome of the call is unknown."""
    value = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(value, list):
        raise NoAnswer(f"the service answered without {name!r}: find out what became of the call")
    return value
