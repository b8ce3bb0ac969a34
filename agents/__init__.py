"""What an agent is: data in TOML, and the loader that validates it."""
