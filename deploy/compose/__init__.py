"""Prepares the production stack on one host: its compose file, and the commands before its first start."""
