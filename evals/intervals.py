"""Computes shares with Wilson's 95 % confidence interval."""

from math import sqrt

Z = 1.959964
"""The number of standard deviations on either side that hold 95 % of a normal distribution."""


def wilson(hits: int, count: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval for a share (Wilson 1927); 0 to 1 where nothing was counted."""
    if count == 0:
        return 0.0, 1.0
    share = hits / count
    centre = share + Z * Z / (2 * count)
    spread = Z * sqrt(share * (1 - share) / count + Z * Z / (4 * count * count))
    whole = 1 + Z * Z / count
    return max(0.0, (centre - spread) / whole), min(1.0, (centre + spread) / whole)


def share(hits: int, count: int) -> str:
    """Format a share: `36/40 = 90.0 % (76.9 to 96.0)`."""
    if count == 0:
        return "none"
    low, high = wilson(hits, count)
    return f"{hits}/{count} = {100 * hits / count:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
