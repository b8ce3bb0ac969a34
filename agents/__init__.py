"""Chains, agents and schemas as data in TOML files, and the loaders that validate them."""
