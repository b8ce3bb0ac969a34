"""An assertion that each write happened exactly once, as the service that received the writes counts them."""

from collections import Counter
from collections.abc import Iterable, Mapping

__all__ = ["assert_once"]


def assert_once(counted: Mapping[str, int] | Iterable[str], expected: Iterable[str] | int | None = None) -> None:
    """Fail where a write happened twice, or not at all. The message names each key with its count.

    `counted` maps each key to its count, or lists the keys of all writes. `expected` lists the keys that must be there,
    or is the number of different keys. With None, only a key that was written twice, or no write at all, is an error.
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
    problems = [*missing, *(f"{key!r}: {count} times" for key, count in sorted(wrong.items()))]
    if problems:
        raise AssertionError(f"each write must happen once: {'; '.join(problems)}")
