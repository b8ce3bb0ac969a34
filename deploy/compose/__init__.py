"""The production stack on one host: its compose file, and the commands that prepare it."""
