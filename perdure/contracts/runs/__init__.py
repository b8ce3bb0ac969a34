"""Runs from the outside: requests, results, lists, retries, schedules, callers and the registry."""
