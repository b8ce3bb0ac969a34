"""Token logs: the tokens of models' replies as they arrive, in SQLite or Redis."""
