"""Where vendors are known, and nowhere else. Each module is imported by the worker roles that need it."""
