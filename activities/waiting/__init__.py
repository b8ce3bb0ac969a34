"""Elapsed time by a monotonic clock, and retries of writes that must not be lost."""
