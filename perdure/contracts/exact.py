"""Takes the numbers of a file as they are written: pydantic would take `true`, `"3"` and `3.0` for numbers."""

from datetime import timedelta
from math import isfinite
from typing import Any, cast, get_args

from pydantic import BaseModel, ValidationInfo, field_validator


class ExactNumbers(BaseModel):
    """The base of tables that a person writes."""

    @field_validator("*", mode="before")
    @classmethod
    def _has_exact_numbers(cls, value: object, info: ValidationInfo) -> object:
        _require_exact(cls.model_fields[info.field_name or ""].annotation, value, "")
        return value


def _require_exact(annotation: Any, value: object, where: str) -> None:
    """Raise `ValueError` for a value of another kind in the place of a number or truth value, also in tables below."""
    kinds = {annotation, *get_args(annotation)}
    wish = _wish(kinds, value)
    if wish:
        raise ValueError(f"{where}: {wish}" if where else wish)
    for kind in kinds:
        # A table of this kind judges its own keys.
        if isinstance(kind, type) and issubclass(kind, BaseModel) and not issubclass(kind, ExactNumbers):
            tables = cast("list[object]", value) if isinstance(value, list) else [value]
            for table in tables:
                for name, inner in cast("dict[str, object]", table).items() if isinstance(table, dict) else ():
                    if name in kind.model_fields:
                        _require_exact(kind.model_fields[name].annotation, inner, f"{where}.{name}" if where else name)


def _wish(kinds: set[Any], value: object) -> str:
    """Return what to write in place of a value that is of none of these kinds; empty where it is of one."""
    numbers = kinds & {int, float, timedelta}
    if bool in kinds and not numbers and str not in kinds and isinstance(value, int | float | str):
        return "" if isinstance(value, bool) else "write true or false, without quotation marks"
    if numbers and not kinds & {str, bool}:
        if isinstance(value, bool | str):
            return "write a number without quotation marks, and not true or false"
        if isinstance(value, float) and (not isfinite(value) or (int in kinds and float not in kinds)):
            return f"write a {'whole' if int in kinds else 'finite'} number"
    return ""
