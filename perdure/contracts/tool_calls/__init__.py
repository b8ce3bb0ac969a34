"""Calls of tools: the tools that a run pins, their outcomes, approvals, decisions and the ledger."""
