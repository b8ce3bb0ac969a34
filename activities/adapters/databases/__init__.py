"""The SQL databases themselves: SQLite and PostgreSQL, their tables, migrations and errors."""
