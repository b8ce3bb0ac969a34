"""Bounds the usage that a server reported: what is missing or cannot be is charged at its worst case, with a notice."""

from dataclasses import dataclass

from activities.ports import Usage
from perdure.contracts.budget import Spend


@dataclass(frozen=True)
class BoundedUsage:
    """The tokens that a call is charged for."""

    input_tokens: int
    output_tokens: int
    notice: str = ""
    """What the server did not report, or reported wrongly; empty where all is well. All such replies share one."""


def bound(used: Usage, worst: Spend, window: int) -> BoundedUsage:
    """Return the tokens to charge, where `worst` is what was reserved and `window` is the model's context window.

    A count above what was reserved is charged: the server did not keep to the request. A count that not even the
    whole window can hold is no count. Such counts, and missing ones, are charged as they were reserved.
    """
    problems: list[str] = [f"reported {used.odd}"] if used.odd else []
    counts: dict[str, int] = {}
    reserved = {"input": worst.input_tokens, "output": worst.output_tokens}
    for kind, reported in (("input", used.input_tokens), ("output", used.output_tokens)):
        most = max(window, reserved[kind])
        if reported is not None and 0 <= reported <= most:
            counts[kind] = reported
            continue
        if reported is not None:
            problems.append(f"reported {reported:,} {kind} tokens, of at most {most:,}")
        elif not used.odd:
            problems.append(f"did not report the {kind} tokens")
        counts[kind] = reserved[kind]
    if not problems:
        return BoundedUsage(counts["input"], counts["output"])
    return BoundedUsage(
        counts["input"],
        counts["output"],
        f"its server {' and '.join(problems)}: what that leaves open is charged at its worst case",
    )
