"""Reads what services answer, as far as a tool needs it."""

from pydantic import JsonValue

from tools.errors import NoAnswer


def field_of(answer: JsonValue, name: str) -> str:
    """A text in an object. Raises `NoAnswer` where it is missing: something happened, and nobody knows what."""
    value = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(value, str) or not value:
        raise NoAnswer(f"the service answered without {name!r}: find out what became of the call")
    return value[:100]


def list_of(answer: JsonValue, name: str) -> list[JsonValue]:
    """A list in an object. Raises `NoAnswer` where it is missing."""
    value = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(value, list):
        raise NoAnswer(f"the service answered without {name!r}: find out what became of the call")
    return value
