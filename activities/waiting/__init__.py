"""Elapsed time by a monotonic clock, and retries of what has to be stored."""
