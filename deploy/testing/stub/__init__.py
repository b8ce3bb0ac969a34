"""A model server with no model in it, for tests: it says what it is told to, and keeps the bill."""
