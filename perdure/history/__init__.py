"""Readers of a run's history: its timeline, short results of its replies, and its last safe point."""
