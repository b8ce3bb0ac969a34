"""Whether each write happened exactly once, as the service that was written to counts it."""

from collections import Counter
from collections.abc import Iterable, Mapping

__all__ = ["assert_once"]


def assert_once(counted: Mapping[str, int] | Iterable[str], expected: Iterable[str] | int | None = None) -> None:
    """Fail where a write happened twice, or not at all; the message names each key with its count.

    `counted` says how often each key was counted, or lists the keys of all writes. `expected` are the keys that must be
    there, or how many different ones; None where nothing is known of them: then only twice is wrong, and none at all.
    """
    counts = Counter(counted)
    wrong = {key: count for key, count in counts.items() if count != 1}
    if isinstance(expected, int):
        missing = [] if len(counts) == expected else [f"{len(counts)} different keys instead of {expected}"]
    elif expected is not None:
        wanted = set(expected)
        wrong |= dict.fromkeys(wanted - set(counts), 0)
        missing = [f"{key!r} was not expected" for key in sorted(set(counts) - wanted)]
    else:
        missing = [] if counts else ["nothing was written"]
    said = [*missing, *(f"{key!r}: {count} times" for key, count in sorted(wrong.items()))]
    if said:
        raise AssertionError(f"each write must happen once: {'; '.join(said)}")
