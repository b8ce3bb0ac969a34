"""Tool calls: the boundary around a tool, the ledger before and after it, and the reconciliation of lost calls."""
