"""Calls of tools: the boundary around a tool, the ledger before and after it, and what came of a lost call."""
