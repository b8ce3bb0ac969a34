"""Decisions. Deterministic, replayed: nothing here touches the world."""
