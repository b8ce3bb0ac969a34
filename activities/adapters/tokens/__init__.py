"""Token logs: what models write while they write it, in SQLite or Redis."""
