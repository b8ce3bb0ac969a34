"""Worker interceptors around every effect: heartbeats, errors as Temporal takes them, and accounts after a reset."""
