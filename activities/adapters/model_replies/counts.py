"""Reads how many tokens a call used from a server's report, where a count may be missing or impossible."""

import math
from collections.abc import Mapping
from typing import Any, cast

from activities.ports import Usage

Report = Mapping[str, Any]

NOT_A_COUNT = "not a count"


class UsageCounts:
    """The counts of one call, from all of its events."""

    def __init__(self) -> None:
        self._input: int | None = None
        self._output: int | None = None
        self._cached = 0
        self._odd: dict[str, str] = {}

    @property
    def so_far(self) -> Usage | None:
        """The usage so far; None until the server has reported both counts."""
        return None if self._input is None or self._output is None else self.total

    @property
    def total(self) -> Usage:
        """The usage at the end, with None for a count that was not reported, or that cannot be."""
        cached = 0 if self._input is None else min(self._cached, self._input)
        return Usage(self._input, self._output, cached, ", ".join(self._odd.values()))

    def add(self, reported: object, timings: object, *, ended: bool) -> None:
        """Add an event's report. A shape that is no report counts as none: the reply is paid for all the same.

        `timings`: llama.cpp's, which it sends with every event; at the end its usage counts.
        """
        usage, timed = _mapping(reported), _mapping(timings)
        if "prompt_tokens" in usage:
            self._input = self._count(usage, "prompt_tokens", self._input)
            self._cached = _spare_count(_mapping(usage.get("prompt_tokens_details")).get("cached_tokens"))
        elif "input_tokens" in usage:  # Anthropic's count does not include cached tokens
            read, written = (_spare_count(usage.get(f"cache_{how}_input_tokens")) for how in ("read", "creation"))
            fresh = self._count(usage, "input_tokens", None)
            if fresh is not None:
                self._input, self._cached = fresh + read + written, read
            elif usage["input_tokens"] is not None:
                self._input = None
        elif not ended and timed.get("prompt_n") is not None:
            self._cached = _spare_count(timed.get("cache_n"))
            fresh = self._count(timed, "prompt_n", None)
            self._input = None if fresh is None else fresh + self._cached
        for name, report in (("completion_tokens", usage), ("output_tokens", usage), ("predicted_n", timed)):
            if report.get(name) is not None:
                self._output = self._count(report, name, self._output)
                break

    def _count(self, report: Report, name: str, before: int | None) -> int | None:
        """Return a count; `before` where it is null, and None where it cannot be, which is kept for the notice."""
        value: object = report[name]
        if value is None:
            return before
        count = _whole_number(value)
        if count is None:
            self._odd[name] = f"{name} = {_shown(value)}"
        else:
            self._odd.pop(name, None)
        return count


def _whole_number(value: object) -> int | None:
    """Return a count that a server wrote as an integer, a float or digits; None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:  # noqa: PLR2004 - digits
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return int(value) if value >= 0 and value == int(value) else None


def _spare_count(value: object) -> int:
    return _whole_number(value) or 0


def _shown(value: object) -> str:
    """Return a value for a notice: a number as it is, cut; nothing that may hold a text."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value:.6g}" if is_number else NOT_A_COUNT


def _mapping(value: object) -> Report:
    return cast("Report", value) if isinstance(value, Mapping) else {}
