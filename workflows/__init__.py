"""Workflows: the decisions of every run. They are deterministic and replayed, and do no I/O."""
